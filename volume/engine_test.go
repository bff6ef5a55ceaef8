package volume

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

func engine(t *testing.T, host, dir string, c *memoryCloud, k *memoryHost, project string) *Service {
	t.Helper()
	return engineOfBoot(t, "b", host, dir, c, k, project)
}

func engineOfBoot(t *testing.T, boot, host, dir string, c *memoryCloud, k *memoryHost, project string) *Service {
	t.Helper()
	s := New(context.Background(), Config{Cluster: "cl", StateDir: dir, MountDir: "/var/lib/fuxi/mnt", BootID: boot, Host: HostIdentity{Name: host},
		Refresh: time.Minute, Linger: 50 * time.Millisecond, WaitForRelease: 100 * time.Millisecond, ReservationAge: time.Second},
		[]Backend{{Cloud: "c", Name: "cinder", Defaults: Defaults{SizeGiB: 1, FSType: "ext4"}, Origin: Origin{Host: host, Project: project}, Provider: c, Attacher: c, Health: c, Connectors: map[string]connector.Connector{"fake": k}}}, k, slog.New(slog.DiscardHandler))
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}
func (s *Service) kill() { s.stop(); s.journal.close() }

const fsUUID = "11111111-2222-3333-4444-555555555555"

func ourMeta(extra map[string]string) map[string]string {
	m := map[string]string{"volume_from": "cl", "fstype": "ext4", "fuxi:v": "1", "fuxi:created": "2026-01-01T00:00:00Z,h,x"}
	maps.Copy(m, extra)
	return m
}
func formatted() map[string]string {
	return ourMeta(map[string]string{"fuxi:formatted": "ext4," + fsUUID})
}
func has(k map[string]connector.Content, id string) {
	k["/dev/"+id] = connector.Content{Kind: "ext4", UUID: fsUUID}
}

// a repeated Create deletes a volume with data whose status became error.
func TestRepeatedCreateKeepsWhatHasData_E11(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	a, b := engine(t, "A", t.TempDir(), c, newMemoryHost(c, content), "p"), engine(t, "B", t.TempDir(), c, newMemoryHost(c, content), "p")
	ctx := context.Background()
	if err := a.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Unmount(ctx, "n", "u"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	c.mu.Lock()
	c.vols["new-1"].Status = "error"
	t.Logf("marks in the cloud: %v", c.meta["new-1"])
	c.mu.Unlock() // e.g. a failed revert to snapshot
	err := a.Create(ctx, "n", nil)
	t.Logf("create: %v; deleted in the cloud: %v", err, c.dels)
	if len(c.dels) > 0 {
		t.Error("formatted volume deleted")
	}
}

// a rename in the cloud changes the bound name and the target.
func TestRenameInTheCloudMovesNothing_E7(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	k := newMemoryHost(c, content)
	dir := t.TempDir()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", dir, c, k, "p")
	ctx := context.Background()
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	_ = s.Unmount(ctx, "n", "u")
	time.Sleep(300 * time.Millisecond)
	c.mu.Lock()
	c.vols["v1"].Name = "../../../../../root/.ssh"
	c.mu.Unlock()
	if err := s.refreshNow(ctx, s.storages[0]); err != nil {
		t.Fatal(err)
	}
	p, err := s.Mount(ctx, MountRequest{Name: "n", User: "u2"})
	t.Logf("Mount(n) = %q, %v; mounts %v", p, err, k.mounts)
	if p != "/var/lib/fuxi/mnt/cinder/n" {
		t.Error("mounted outside of the mount directory")
	}
	s.kill()
	s = engine(t, "A", dir, c, k, "p")
	t.Logf("after restart: set aside %v", s.setAside)
	_, err = s.Get(ctx, "n")
	t.Logf("Get(n) after restart: %v", err)
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	i, _ := s.Get(ctx, "n")
	t.Logf("Create(n) as dockerd does then: n is now %s", i.ID)
	if i.ID != "v1" {
		t.Error("n is another, empty volume")
	}
}

// one ext4 read-write on two hosts.
func TestOneWriterOnMultiattachTypes_G3(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	c.vols["v1"].Multiattach = true
	ctx := context.Background()
	for _, h := range []string{"A", "B"} {
		s := engine(t, h, t.TempDir(), c, newMemoryHost(c, content), "p")
		p, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
		t.Logf("%s: %q %v", h, p, err)
		if h == "B" && err == nil {
			t.Error("ext4 mounted read-write on two hosts")
		}
	}
}

// settled before formatted: two hosts format two volumes of one name.
func TestSettledWithoutDataYields_E8(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	now := time.Now().Truncate(time.Second)
	ka, kb := newMemoryHost(c, content), newMemoryHost(c, content)
	a, b := engine(t, "A", t.TempDir(), c, ka, "p"), engine(t, "B", t.TempDir(), c, kb, "p")
	ctx := context.Background()
	c.add("v-b", "n", "available", ourMeta(nil), now) // A's, made in the same second
	c.onExpose = func(v Volume) error { return Errorf(ErrInvalid, "the backend refuses once") }
	_, err := a.Mount(ctx, MountRequest{Name: "n", User: "u"}) // reserve, list, settle, fail, give back
	t.Logf("A: %v", err)
	c.onExpose = nil
	c.mu.Lock()
	c.add("v-a", "n", "available", ourMeta(nil), now)
	c.mu.Unlock() // B's, posted later in the same second, lower id
	_, err = b.Mount(ctx, MountRequest{Name: "n", User: "u"})
	t.Logf("B: %v formats %v", err, kb.formats)
	_, err = a.Mount(ctx, MountRequest{Name: "n", User: "u"})
	t.Logf("A: %v formats %v", err, ka.formats)
	if len(ka.formats) > 0 && len(kb.formats) > 0 && ka.formats[0] != kb.formats[0] {
		t.Error("both formatted")
	}
}

// a recovered mount is unmounted after the second restart.
func TestRecoveredIsNeverTakenDown_E6(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	k := newMemoryHost(c, content)
	dir := t.TempDir()
	ctx := context.Background()
	c.add("v1", "n", "in-use", formatted(), time.Now())
	has(content, "v1")
	k.mounts["/var/lib/fuxi/mnt/cinder/n"] = "/dev/v1" // an older container uses it
	s := engine(t, "A", dir, c, k, "p")
	p, err := s.Mount(ctx, MountRequest{Name: "n", User: "second"})
	t.Logf("%q %v", p, err)
	_ = s.Unmount(ctx, "n", "second")
	s.kill()
	s = engine(t, "A", dir, c, k, "p")
	s.reconcile()
	time.Sleep(1200 * time.Millisecond)
	t.Logf("unmounts: %v", k.unmounts)
	if len(k.unmounts) > 0 {
		t.Error("a recovered mount was taken down by itself")
	}
}

// a mount that fails before it has done anything loses the linger.
func TestFailedMountKeepsTheLinger_D1(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	k := newMemoryHost(c, content)
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", t.TempDir(), c, k, "p")
	s.cfg.Linger = 400 * time.Millisecond
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	_ = s.Unmount(ctx, "n", "u")
	c.mu.Lock()
	c.vols["v1"].SizeGiB = 2
	c.mu.Unlock() // openstack volume set --size while attached
	_, err := s.Mount(ctx, MountRequest{Name: "n", User: "u2"})
	t.Logf("mount after an extend: %v", err)
	time.Sleep(3 * time.Second)
	_, err = s.Mount(ctx, MountRequest{Name: "n", User: "u3"})
	t.Logf("3 s later: %v; attachments %v", err, c.att)
	if len(c.att) > 0 && err != nil {
		t.Error("attached for ever, and cannot be mounted")
	}
}

// two formatted twins, no binding here.
func TestRemoveRefusesTwinsWithData_E8(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now().Add(-time.Hour))
	c.add("v2", "n", "available", formatted(), time.Now())
	s := engine(t, "A", t.TempDir(), c, newMemoryHost(c, content), "p")
	_ = s.refreshNow(ctx, s.storages[0])
	_, merr := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
	err := s.Remove(ctx, "n")
	t.Logf("mount: %v; remove: %v deleted %v", merr, err, c.dels)
	if len(c.dels) > 0 {
		t.Error("Remove chose one of two volumes with data, where Mount refuses")
	}
}

// one start with other settings loses all records for good.
func TestStartWithOtherSettingsLosesNothing_E6(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	k := newMemoryHost(c, content)
	dir := t.TempDir()
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", dir, c, k, "appcred-1")
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	s = engine(t, "A", dir, c, k, "appcred-2")
	s.kill() // a rotated application credential, a typo in region
	s = engine(t, "A", dir, c, k, "appcred-1")
	_ = s.refreshNow(ctx, s.storages[0])
	err := s.Unmount(ctx, "n", "u")
	i, _ := s.Get(ctx, "n")
	t.Logf("unmount: %v; mounts %v attachments %v; info step %q notes %v", err, k.mounts, c.att, i.Step, i.Notes)
	if len(k.mounts) > 0 {
		t.Error("Unmount answered success and the volume stays mounted and attached for ever")
	}
}

// one volume whose GET fails keeps every linger from ending.
func TestOneBadVolumeStopsNoRefresh_E12(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	c.add("v2", "bad", "available", formatted(), time.Now())
	s := engine(t, "A", t.TempDir(), c, newMemoryHost(c, content), "p")
	_ = s.refreshNow(ctx, s.storages[0])
	c.mu.Lock()
	c.getErr["v2"] = Errorf(ErrUnavailable, "500")
	c.mu.Unlock()
	for range 3 {
		s.mu.Lock()
		s.storages[0].refresh.full = time.Time{}
		s.mu.Unlock()
		err := s.refreshNow(ctx, s.storages[0])
		t.Logf("refresh: %v, last %v", err, s.storages[0].refresh.last)
		if err != nil {
			t.Error("the whole refresh fails")
		}
	}
}

// seen in the future.
func TestClockSetBack_E7(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	dir := t.TempDir()
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	s := engine(t, "A", dir, c, newMemoryHost(c, content), "p")
	s.registry.put(c.view("v1"), time.Now().Add(24*time.Hour)) // the clock was a day ahead
	_ = s.registry.save(dir, s.origin())
	s.kill()
	c.vols["v1"].Status = "error"
	s = engine(t, "A", dir, c, newMemoryHost(c, content), "p")
	err := s.refreshNow(ctx, s.storages[0])
	v, _ := s.registry.resolve("n")
	t.Logf("%v: status here %s", err, v.Status)
	if v.Status != "error" {
		t.Error("the cloud's answers are ignored until the clock has caught up")
	}
}

// sharing the name after a list that lies.
func TestListThatLies_E7(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", t.TempDir(), c, newMemoryHost(c, content), "p")
	_ = s.refreshNow(ctx, s.storages[0])
	c.meta["v1"]["volume_from"] = "hidden" // stands for a list that leaves it out; GET by id still answers
	_, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
	_, gerr := s.Get(ctx, "n")
	t.Logf("mount: %v; get: %v", err, gerr)
	if errors.Is(gerr, ErrNotFound) {
		t.Error("forgotten without a 404 by id")
	}
}

// as after a reboot: attachment known, device gone, cloud away for a while.
func TestLingerComesBackWithTheCloud_D1(t *testing.T) {
	c := newMemoryCloud()
	content := map[string]connector.Content{}
	k := newMemoryHost(c, content)
	dir := t.TempDir()
	ctx := context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", dir, c, k, "p")
	s.cfg.Linger = time.Hour
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	k.mounts, k.dev = map[string]string{}, map[string]bool{} // reboot
	s = engine(t, "A", dir, c, k, "p")
	s.reconcile() // linger of 12 x 50 ms
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err := s.Mount(short, MountRequest{Name: "n", User: "u2"})
	t.Logf("%v", err)
	time.Sleep(3 * time.Second) // the flight gives up: nobody waits
	c.mu.Lock()
	c.down = false
	c.mu.Unlock()
	time.Sleep(3 * time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("attachments %v, flights %d", c.att, len(s.flights))
	if len(c.att) > 0 {
		t.Error("nobody uses it, and it stays attached for ever")
	}
}

// A policy changed in the cloud moves no updated_at. Before something is
// deleted on what was read a while ago, it is read again.
func TestRemoveReadsAnOldPolicyAnew_E11(t *testing.T) {
	c, content, ctx := newMemoryCloud(), map[string]connector.Content{}, context.Background()
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	s := engine(t, "A", t.TempDir(), c, newMemoryHost(c, content), "p")
	if err := s.refreshNow(ctx, s.storages[0]); err != nil {
		t.Fatal(err)
	}
	s.registry.byKey[Key{"c", "cinder", "v1"}].seen = time.Now().Add(-2 * time.Minute)
	c.meta["v1"]["fuxi:on-remove"] = "retain"
	if err := s.Remove(ctx, "n"); err != nil {
		t.Fatal(err)
	}
	if len(c.dels) > 0 || c.vols["v1"] == nil || c.meta["v1"]["fuxi:released"] == "" {
		t.Errorf("deleted %v, marks %v; it was to be kept", c.dels, c.meta["v1"])
	}
}
