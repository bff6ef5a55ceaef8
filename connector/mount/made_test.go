package mount_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/trace"
)

// B4: mkfs of a large thin volume must not take minutes. Nothing is discarded,
// ext4's inode tables are left to the kernel, and nothing is forced.
func TestFormatIsQuickAndUnforced(t *testing.T) {
	for fsType, want := range map[string]string{"ext4": "-E nodiscard,lazy_itable_init=1,lazy_journal_init=1", "xfs": "-K", "btrfs": "-K"} {
		t.Run(fsType, func(t *testing.T) {
			hosttest.NeedTools(t, "mkfs."+fsType)
			r := newRig(t)
			steps := &hosttest.Crossings{}
			spec := connector.FormatSpec{FSType: fsType, UUID: uuid}
			if err := r.m.Format(trace.WithRecorder(hosttest.Context(t), steps), r.src, spec); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(steps.Host(), func(s string) bool { return strings.HasPrefix(s, "mkfs."+fsType) })
			if i < 0 {
				t.Fatalf("no mkfs in %v", steps.Host())
			}
			words := " " + steps.Host()[i] + " "
			if !strings.Contains(words, " "+want+" ") || strings.Contains(words, " -F ") || strings.Contains(words, " -f ") {
				t.Errorf("%s lacks %q, or forces", words, want)
			}
		})
	}
}

// An mkfs that says it succeeded is not believed: the filesystem is read back.
func TestFormatReadsBack(t *testing.T) {
	hosttest.NeedRoot(t)
	r := newRig(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mkfs.ext4"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	err := r.m.Format(hosttest.Context(t), r.src, connector.FormatSpec{FSType: "ext4", UUID: uuid})
	if err == nil || !strings.Contains(err.Error(), "succeeded but the device shows") {
		t.Errorf("an mkfs that made nothing: %v", err)
	}
}
