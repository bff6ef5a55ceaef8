package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// A list that fails means "cannot say": the volume may be there, so none is
// made. It is found as soon as the cloud lists again.
func TestListFailureCreatesNothing_E8(t *testing.T) {
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	awaitRefresh(t, cloud)
	s := made(t, cloud, d, "vol", map[string]any{"metadata": map[string]string{"volume_from": "fuxi", "fstype": "ext4"}})
	cloud.Fault(rig.Fault{Service: "cinder", Method: "GET", Path: "^/volumes/detail$", Times: 1, Do: "status", Value: 403})
	if err := d.Create("vol", map[string]string{"size": "1"}); err == nil || !strings.Contains(err.Error(), "nothing was created") {
		t.Errorf("create although the list failed: %v", err)
	}
	cloud.Mend()
	if err := d.Create("vol", map[string]string{"size": "1"}); err != nil {
		t.Errorf("create once the cloud lists again: %v", err)
	}
	if all := cloud.Volumes("vol"); len(all) != 1 || all[0].ID != s.id {
		t.Errorf("there are %v", all)
	}
}

// A filesystem that cannot be mounted is damaged, not missing: it is left to
// people, and no mkfs comes near it.
func TestMountErrorNeverFormats_B2(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	dir, ran := noMkfs(t)
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	s.usable()
	d.Stop()
	d.Start(pathWith(dir))
	// An unusable root directory and the mark that a check is due.
	tool(nil, "debugfs", "-w", "-R", "clri <2>")(t, s.raw())
	tool(nil, "debugfs", "-w", "-R", "ssv state 2")(t, s.raw())
	mark := s.seen().Metadata["fuxi:formatted"]
	for range 2 {
		if path, err := d.Mount("vol", "u"); err == nil || !strings.Contains(err.Error(), "refused to protect data") {
			t.Fatalf("mounted at %s, %v", path, err)
		}
		s.givenBack()
	}
	if marks := s.seen().Metadata; ran() || marks["fuxi:formatted"] != mark || marks["fuxi:formatting"] != "" {
		t.Errorf("mkfs ran: %v, marks %v", ran(), marks)
	}
}

// The device is proved once more right before mkfs: what was looked at may be
// another disk by then.
func TestDeviceChangedBeforeMkfs_A1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/volumes/[^/]+/metadata$", Times: 1, Do: "delay", Value: "1s"})
	failed := make(chan error, 1)
	go func() {
		_, err := d.Mount("vol", "u")
		failed <- err
	}()
	rig.Eventually(t, 10*time.Second, func() string {
		if cloud.Counters()["POST /v3/{project}/volumes/{id}/metadata"] == 0 {
			return "it is not about to format"
		}
		return ""
	})
	if err := os.Truncate(s.raw(), gib+gib/50); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "right before mkfs") {
		t.Errorf("mount of a disk that changed: %v", err)
	}
	s.givenBack()
	if digest(t, s.raw()) != digest(t, os.DevNull) {
		t.Error("something was written")
	}
	if err := os.Truncate(s.raw(), gib); err != nil {
		t.Fatal(err)
	}
	s.usable()
}

// What Docker asks all the time never waits for the volume that is being
// mounted, or docker ps would hang with it.
func TestGetDuringAMount_E1(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	cloud.Fault(rig.Fault{Service: "cinder", Method: "PUT", Path: "^/attachments/", Times: 1, Do: "delay", Value: "2s"})
	mounted := make(chan error, 1)
	go func() {
		_, err := d.Mount("vol", "u")
		mounted <- err
	}()
	rig.Eventually(t, 10*time.Second, func() string {
		if cloud.Counters()["PUT /v3/{project}/attachments/{id}"] == 0 {
			return "it is not being attached"
		}
		return ""
	})
	began := time.Now()
	for range 20 {
		if _, err := d.Get("vol"); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("20 Gets took %s beside a mount", took)
	}
	if err := <-mounted; err != nil {
		t.Fatal(err)
	}
	if err := writeSynced(filepath.Join(s.target(), "f"), "x"); err != nil {
		t.Error(err)
	}
	s.unmount("u")
	s.givenBack()
}

// unusedTwin makes a blank volume of the same name and marks as another host
// does, an hour before.
func (s *scene) unusedTwin() *scene {
	s.t.Helper()
	twin := made(s.t, s.cloud, s.d, s.name, map[string]any{"metadata": s.seen().Metadata})
	s.cloud.Admin("POST", "/volumes/"+twin.id, map[string]any{"created_at": time.Now().Add(-time.Hour).Format(time.RFC3339)})
	return twin
}

// A host looks around only after it raised its hand: the twin that another host
// made meanwhile, and that every host prefers, is seen and used.
func TestSettledAfterReserving_E8(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	awaitRefresh(t, cloud)
	s := newScene(t, cloud, d, "vol", nil)
	cloud.Fault(rig.Fault{Service: "cinder", Method: "POST", Path: "^/attachments$", Times: 1, Do: "delay", Value: "2s"})
	mounted := make(chan error, 1)
	go func() {
		_, err := d.Mount("vol", "u")
		mounted <- err
	}()
	rig.Eventually(t, 10*time.Second, func() string {
		if cloud.Counters()["POST /v3/{project}/attachments"] == 0 {
			return "it is not being reserved"
		}
		return ""
	})
	twin := s.unusedTwin()
	if err := <-mounted; err != nil {
		t.Fatal(err)
	}
	v, err := d.Get("vol")
	if facts, _ := v["Status"].(map[string]any); err != nil || facts["id"] != twin.id {
		t.Errorf("%v is used instead of %s: %v", facts["id"], twin.id, err)
	}
	if all := cloud.Volumes("vol"); len(all) != 1 || all[0].ID != twin.id {
		t.Errorf("there are %v", all)
	}
	twin.unmount("u")
	twin.givenBack()
}

// Of two volumes of one name the one without data is not used, and it is
// deleted only by the host that made it.
func TestForeignTwinIsNotDeleted_E8(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	maker, d := rig.NewDaemon(t, cloud, "maker", quiet()), rig.NewDaemon(t, cloud, "host", quiet())
	maker.Start()
	blank := newScene(t, cloud, maker, "vol", nil)
	d.Start()
	awaitRefresh(t, cloud)
	if _, err := d.Get("vol"); err != nil {
		t.Fatal(err)
	}
	metadata := blank.seen().Metadata
	metadata["fuxi:formatted"], metadata["fuxi:subdir"] = "ext4,"+ownUUID, "/"
	full := made(t, cloud, d, "vol", map[string]any{"metadata": metadata})
	ext4With(ownUUID)(t, full.raw())
	full.holds("old", "theirs")
	if marks := blank.seen().Metadata; marks["fuxi:released"] != "" || len(cloud.Volumes("vol")) != 2 {
		t.Errorf("another host's volume was let go: %v, %v", marks, cloud.Volumes("vol"))
	}
}
