package mount_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// Without the whole there is only this host's own disk below.
func TestShareThatIsNotMounted(t *testing.T) {
	r := newShareRig(t)
	mounted := r.src.Directory
	r.src.Directory = t.TempDir()
	_ = r.refused(connector.ErrNotConnected)
	r.src.Directory = mounted
	hosttest.Tool(t, "mount", "-t", "tmpfs", "over", mounted)
	_ = r.refused(connector.ErrNotConnected)
	hosttest.Tool(t, "umount", mounted)
	if entries, err := os.ReadDir(mounted); err != nil || len(entries) != 0 {
		t.Errorf("a refused mount wrote %v, %v", entries, err)
	}
}

// A stale layer at Target goes; another share's is no less stale.
func TestShareReplacesAStaleLayer(t *testing.T) {
	r, other := newShareRig(t), newShareRig(t)
	other.spec.Target = r.spec.Target
	other.mount()
	r.mount()
	layers, err := host.New().MountsAt(r.spec.Target)
	whole, _ := host.New().MountsAt(r.src.Directory)
	if err != nil || len(layers) != 1 || len(whole) != 1 || layers[0].Dev != whole[0].Dev {
		t.Errorf("Target shows %+v, %v", layers, err)
	}
}

func TestShareHolders(t *testing.T) {
	r := newShareRig(t)
	r.mount()
	if holders, err := r.m.Holders(hosttest.Context(t), r.src); err != nil || len(holders) != 0 {
		t.Errorf("Holders without any: %v, %v", holders, err)
	}
	_, end := hosttest.OtherNamespace(t)
	if holders, err := r.m.Holders(hosttest.Context(t), r.src); err != nil || len(holders) != 1 || !strings.HasPrefix(holders[0], "sh[") {
		t.Errorf("Holders: %v, %v", holders, err)
	}
	end()
}

func TestShareStoppedAtEachStep(t *testing.T) {
	r := newShareRig(t)
	for n := 1; ; n++ {
		ctx, steps := cancelAt(hosttest.Context(t), n)
		if err := r.m.Mount(ctx, r.src, r.spec); err == nil {
			r.unmount()
		}
		if _, err := os.Stat(r.spec.Target); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Target after a mount that was stopped at step %d: %v", n, err)
		}
		if len(steps.List()) < n {
			if most := 2; n-1 > most {
				t.Errorf("%d crossings, want %d at most: %v", n-1, most, steps.List())
			}
			return
		}
	}
}
