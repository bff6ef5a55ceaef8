package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// A disk of another size than the cloud says is another disk, or a damaged
// one: nothing is read off it, let alone written.
func TestDeviceOfTheWrongSize_A1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "sizes", quiet())
	d.Start()
	for name, size := range map[string]int64{"smaller": gib - 4096, "half": gib / 2, "empty": 0, "larger": gib + gib/50} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, cloud, d, name, nil)
			if err := os.Truncate(s.raw(), size); err != nil {
				t.Fatal(err)
			}
			s.refused("bytes, the cloud says 1 GiB", "refused to protect data", "compare both")
			if err := os.Truncate(s.raw(), gib); err != nil {
				t.Fatal(err)
			}
			s.usable()
			// The same with data on it.
			if err := os.Truncate(s.raw(), size); err != nil {
				t.Fatal(err)
			}
			s.refused("bytes, the cloud says 1 GiB")
			if err := os.Truncate(s.raw(), gib); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("rounded up", func(t *testing.T) {
		s := newScene(t, cloud, d, "rounded", nil)
		if err := os.Truncate(s.raw(), gib+gib/200); err != nil {
			t.Fatal(err)
		}
		s.usable()
	})
	t.Run("missing", func(t *testing.T) {
		s := newScene(t, cloud, d, "missing", nil)
		if err := os.Rename(s.raw(), s.raw()+".away"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Mount("missing", "u"); err == nil {
			t.Error("mounted")
		}
		s.givenBack()
		if _, err := os.Stat(s.raw()); err == nil {
			t.Error("a disk was made")
		}
		if err := os.Rename(s.raw()+".away", s.raw()); err != nil {
			t.Fatal(err)
		}
		s.usable()
	})
}

// A disk whose reads fail is not blank: a tool that looks at it says "nothing
// found" in the same words.
func TestUnreadableIsNeverBlank_B3(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "eio", quiet())
	d.Start()
	for name, keep := range map[string]int64{"tail": gib - 8192, "half": gib / 2, "all": 0} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, cloud, d, "eio-"+name, nil)
			marks := s.seen().Metadata
			cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments/[^/]+/action$", Times: 1, Do: "delay", Value: "1500ms"})
			failed := make(chan error, 1)
			go func() {
				_, err := d.Mount(s.name, "u")
				failed <- err
			}()
			rig.Eventually(t, 10*time.Second, func() string {
				if len(loopsOf(s.raw())) == 0 {
					return "the device is not there yet"
				}
				return ""
			})
			if err := os.Truncate(s.raw(), keep); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err == nil || !containsAll(err.Error(), []string{"cannot be read", "never taken for blank"}) {
				t.Errorf("mount: %v", err)
			} else {
				t.Log(err)
			}
			s.givenBack()
			cloud.Mend()
			if now := s.seen().Metadata; now["fuxi:formatting"] != "" || len(now) != len(marks) {
				t.Errorf("marks %v became %v", marks, now)
			}
			if info, err := os.Stat(s.raw()); err != nil || info.Size() != keep || digest(t, s.raw()) != digest(t, os.DevNull) {
				t.Errorf("something was written: %v, %v", info.Size(), err)
			}
			if err := os.Truncate(s.raw(), gib); err != nil {
				t.Fatal(err)
			}
			s.usable()
		})
	}
}

// The raw device of an encrypted volume shows ciphertext, or zeros before the
// first key is set: formatting it would be wrong either way.
func TestEncryptedTypeIsRefused_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "crypt", quiet())
	d.Start()
	s := newScene(t, cloud, d, "secret", map[string]string{"size": "1", "volume_type": "encrypted"})
	s.refused("encrypted", "ciphertext", "use an unencrypted type")
	bytesAt(300<<20, "ciphertext")(t, s.raw())
	s.refused("encrypted")
	if _, errs, exit := d.CLI("format", "secret", "--erase", "--id", s.id); exit != 6 {
		t.Errorf("fuxi format: exit %d, %s", exit, errs)
	}
	s.givenBack()
}

// A backend that hands out unzeroed blocks is named in the configuration; then
// stale bytes are allowed, but only on a volume that no host ever had.
func TestUnzeroedTypes_B1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	listing := quiet()
	listing["cinder"] = append(listing["cinder"], `unzeroed_types = ["unzeroed"]`)
	lists, doesNot := rig.NewDaemon(t, cloud, "lists", listing), rig.NewDaemon(t, cloud, "lists-not", quiet())
	lists.Start()
	doesNot.Start()
	opts := map[string]string{"size": "1", "volume_type": "unzeroed"}
	t.Run("pristine", func(t *testing.T) {
		s := newScene(t, cloud, lists, "pristine", opts)
		if s.seen().Metadata["fuxi:pristine"] == "" {
			t.Fatal("a new volume is not marked as pristine")
		}
		if names := s.usable(); len(names) > 0 {
			t.Errorf("it shows %v", names)
		}
	})
	t.Run("not listed", func(t *testing.T) {
		s := newScene(t, cloud, doesNot, "unlisted", opts)
		s.refused("was never formatted by fuxi", "fuxi format unlisted --erase --id "+s.id)
	})
	t.Run("not pristine any more", func(t *testing.T) {
		s := newScene(t, cloud, lists, "touched", opts)
		bytes := digest(t, s.raw())
		cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments/[^/]+/action$", Times: 1, Do: "status", Value: 500})
		if _, err := lists.Mount("touched", "u"); err == nil {
			t.Fatal("mounted although the attachment failed")
		}
		cloud.Mend()
		s.givenBack()
		if _, still := s.seen().Metadata["fuxi:pristine"]; still {
			t.Fatal("it was exposed and is still called pristine")
		}
		s.refused("was never formatted by fuxi", "fuxi format touched --erase --id "+s.id)
		if digest(t, s.raw()) != bytes {
			t.Error("the stale bytes were changed")
		}
		if _, errs, exit := lists.CLI("format", "touched", "--erase", "--id", s.id); exit != 0 {
			t.Fatalf("fuxi format: exit %d, %s", exit, errs)
		}
		s.usable()
	})
	t.Run("never pristine", func(t *testing.T) {
		s := newScene(t, cloud, lists, "unmarked", opts)
		s.unmark("fuxi:pristine")
		s.refused("was never formatted by fuxi")
	})
}
