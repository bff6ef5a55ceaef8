package volume

import (
	"errors"
	"testing"
)

// Credentials that were changed to another project's answer "not found" about
// every volume; a state directory believes only its own project.
func TestAnotherProjectIsRefused_E7(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second keeper is the next start's
		if err := ProjectKeeper(dir)("p1"); err != nil {
			t.Fatal(err)
		}
	}
	err := ProjectKeeper(dir)("p2")
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("another project: %v", err)
	}
	if err := ProjectKeeper(dir)("p1"); err != nil {
		t.Errorf("its own project again: %v", err)
	}
}
