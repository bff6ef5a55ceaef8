package conformance

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRecordIsWhole: each case is recorded, and nothing is that is no case.
func TestRecordIsWhole(t *testing.T) {
	files := map[string]bool{}
	for _, story := range Stories() {
		files[story.Name+".json"] = true
		book, err := openBook(story.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		var names []string
		for _, c := range story.Cases {
			names = append(names, c.Name)
		}
		if recorded := slices.Sorted(maps.Keys(book.Answers)); !slices.Equal(recorded, slices.Sorted(slices.Values(names))) {
			t.Errorf("%s: the cases are %q, recorded are %q", story.Name, names, recorded)
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".json") && !files[entry.Name()] {
			t.Errorf("testdata/%s belongs to no story", entry.Name())
		}
	}
}

// TestFormsDiffer: what the comparison must not let pass.
func TestFormsDiffer(t *testing.T) {
	recorded := shape{"volume.id": "uuid", "volumes[].name": "null|string", "types[].extra_specs.a": "string"}
	for name, c := range map[string]struct {
		is   shape
		want int
	}{
		"the same":        {recorded, 0},
		"fewer kinds":     {shape{"volume.id": "uuid", "volumes[].name": "string"}, 0},
		"another kind":    {shape{"volume.id": "null", "volumes[].name": "string"}, 1},
		"a key too much":  {shape{"volume.id": "uuid", "volumes[].name": "null", "volume.x": "null"}, 1},
		"a key not there": {shape{"volume.id": "uuid"}, 1},
	} {
		if got := c.is.fits(recorded, []string{"types[].extra_specs"}, nil); len(got) != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	answer := &Answer{Status: 200, Header: map[string]string{"Retry-After": "0"}, Message: "m", Values: map[string]string{"a": "1"}}
	for name, other := range map[string]*Answer{
		"nothing": nil,
		"status":  {Status: 202, Header: answer.Header, Message: "m", Values: answer.Values},
		"header":  {Status: 200, Message: "m", Values: answer.Values},
		"message": {Status: 200, Header: answer.Header, Message: "n", Values: answer.Values},
		"value":   {Status: 200, Header: answer.Header, Message: "m", Values: map[string]string{"a": "2"}},
	} {
		if got := answer.compare(other, Case{}, nil); len(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
