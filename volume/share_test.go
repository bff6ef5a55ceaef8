package volume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// memoryShares is a cloud of shares as one host sees it: it lets hosts in, any
// number at once, and reserves nothing.
type memoryShares struct {
	*memoryCloud
	host    string
	exports *sync.Map // share -> export
	open    *sync.Map // attachment id -> host
}

func (c memoryShares) Create(ctx context.Context, r NewVolume) (Volume, error) {
	v, err := c.memoryCloud.Create(ctx, r)
	if err == nil {
		c.share(v.ID)
		v, err = c.Get(ctx, v.ID)
	}
	return v, err
}

// share makes a volume of the memory cloud a share.
func (c memoryShares) share(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vols[id].Share, c.vols[id].Provider = ShareNFS, "manila"
	c.exports.Store(id, "srv:/"+id)
}

func (c memoryShares) Reserve(_ context.Context, id string, _ bool) (string, error) {
	return id + "/" + c.host, nil
}

func (c memoryShares) Expose(_ context.Context, v Volume, attachment string, _ HostIdentity) (connector.Connection, error) {
	c.open.Store(attachment, c.host)
	export, _ := c.exports.Load(v.ID)
	return connector.Connection{Driver: "fake", VolumeID: v.ID, SizeGiB: v.SizeGiB, Access: "rw",
		Data: map[string]any{"exports": []string{export.(string)}}}, nil
}

func (c memoryShares) Release(_ context.Context, attachment string) error {
	c.open.Delete(attachment)
	return nil
}

func (c memoryShares) Attachments(_ context.Context, id string) ([]Attachment, error) {
	var rows []Attachment
	for a, host := range c.open.Range {
		if strings.HasPrefix(a.(string), id+"/") {
			rows = append(rows, Attachment{ID: a.(string), Holder: host.(string)})
		}
	}
	return rows, nil
}

// shareKernel mounts exports.
type shareKernel struct {
	*memoryHost
	served  *sync.Map // share -> export that answers
	options []string  // of the last mount of an export
}

func (k *shareKernel) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	export := exportList(conn.Data["exports"])[0]
	if now, _ := k.served.Load(conn.VolumeID); now != export {
		return connector.Source{}, fmt.Errorf("%s does not answer", export)
	}
	k.mu.Lock()
	k.options = conn.MountOptions
	k.mu.Unlock()
	src, err := k.memoryHost.Connect(ctx, conn)
	return connector.Source{Export: src.Device, Directory: "/base/" + conn.VolumeID}, err
}

func (k *shareKernel) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := k.memoryHost.Find(ctx, conn)
	return connector.Source{Export: src.Device, Directory: "/base/" + conn.VolumeID}, err
}

func (k *shareKernel) Probe(context.Context, connector.Source) (connector.Content, error) {
	return connector.Content{}, errors.New("a share was probed")
}

func (k *shareKernel) Mount(ctx context.Context, src connector.Source, spec connector.MountSpec) error {
	return k.memoryHost.Mount(ctx, connector.Source{Device: src.Export}, spec)
}

func (k *shareKernel) Mounts(ctx context.Context, dir string) ([]connector.Mounted, error) {
	all, err := k.memoryHost.Mounts(ctx, dir)
	for i := range all {
		all[i].Export, all[i].Device = all[i].Device, ""
	}
	return all, err
}

// farm is a cloud of shares and volumes with the hosts on it.
type farm struct {
	volumes, shares *memoryCloud
	exports, open   *sync.Map
	mounted         map[string]map[string]string // host -> its mount table, which outlives its fuxi
	boot            string                       // the boot id of hosts from now on
}

func newFarm() *farm {
	return &farm{volumes: newMemoryCloud(), shares: newMemoryCloud(), exports: &sync.Map{}, open: &sync.Map{}, mounted: map[string]map[string]string{}}
}

func (f *farm) as(host string) memoryShares {
	return memoryShares{memoryCloud: f.shares, host: host, exports: f.exports, open: f.open}
}

// host is a Docker host with both providers, cinder first.
func (f *farm) host(t *testing.T, name, dir string, providers ...string) (*Service, *shareKernel) {
	t.Helper()
	k := &shareKernel{memoryHost: newMemoryHost(f.shares, map[string]connector.Content{}), served: f.exports}
	if f.mounted[name] == nil {
		f.mounted[name] = k.mounts
	}
	k.mounts = f.mounted[name]
	blocks := newMemoryHost(f.volumes, map[string]connector.Content{})
	blocks.mounts = k.mounts
	all := map[string]Backend{
		"cinder": {Cloud: "c", Name: "cinder", Origin: Origin{Host: name}, Provider: f.volumes, Attacher: f.volumes, Health: f.volumes,
			Defaults: Defaults{SizeGiB: 1, FSType: "ext4"}, Connectors: map[string]connector.Connector{"fake": blocks}},
		"manila": {Cloud: "c", Name: "manila", Shares: true, Origin: Origin{Host: name}, Provider: f.as(name), Attacher: f.as(name), Health: f.shares,
			Defaults: Defaults{SizeGiB: 1, ShareProto: ShareNFS}, Connectors: map[string]connector.Connector{"fake": k}},
	}
	if len(providers) == 0 {
		providers = []string{"cinder", "manila"}
	}
	var backends []Backend
	for _, p := range providers {
		backends = append(backends, all[p])
	}
	s := New(context.Background(), Config{Cluster: "cl", StateDir: dir, MountDir: "/var/lib/fuxi/mnt", BootID: f.boot, Host: HostIdentity{Name: name},
		Refresh: time.Minute, Linger: 10 * time.Millisecond, WaitForRelease: 100 * time.Millisecond, ReservationAge: time.Second},
		backends, k, slog.New(slog.DiscardHandler))
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s, k
}

var nfsShare = map[string]string{"volume_provider": "manila"}

// TestShareIsForManyHosts: several hosts mount one share at once, it is never
// looked at as a device, and nobody removes it under another.
func TestShareIsForManyHosts_F8(t *testing.T) {
	f, ctx := newFarm(), context.Background()
	a, kernel := f.host(t, "a", t.TempDir())
	b, _ := f.host(t, "b", t.TempDir())
	opts := maps.Clone(nfsShare)
	opts["mount_options"] = "vers=4.1,noatime"
	if err := a.Create(ctx, "web", opts); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Service{a, b} {
		if _, err := s.Mount(ctx, MountRequest{Name: "web", User: "u"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(kernel.options, ","); got != "vers=4.1,noatime" {
		t.Errorf("mounted with %q", got)
	}
	v, _ := a.registry.resolve("web")
	if v.Provider != "manila" || v.Marks.Formatted == nil || v.Marks.Formatted.FSType != "nfs" {
		t.Errorf("the share is %+v", v)
	}
	if err := a.Unmount(ctx, "web", "u"); err != nil {
		t.Fatal(err)
	}
	if err := a.Remove(ctx, "web"); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "host b") {
		t.Errorf("Remove while b has it: %v", err)
	}
	if marks := f.shares.meta[v.ID]; marks[markReleased] != "" {
		t.Errorf("after a removal that was refused: %v", marks)
	}
	if err := b.Unmount(ctx, "web", "u"); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(ctx, "web"); err != nil || len(f.shares.vols) > 0 {
		t.Errorf("Remove by the last: %v, left %v", err, f.shares.vols)
	}
}

// TestMovedShareIsReadAgain_F8: after a migration the old export does not answer;
// the cloud is asked again, and only once.
func TestMovedShareIsReadAgain_F8(t *testing.T) {
	f, ctx, dir := newFarm(), context.Background(), t.TempDir()
	s, _ := f.host(t, "a", dir)
	if err := s.Create(ctx, "web", nfsShare); err != nil {
		t.Fatal(err)
	}
	v, _ := s.registry.resolve("web")
	h := s.handle(v)
	if _, err := s.Mount(ctx, MountRequest{Name: "web", User: "u"}); err != nil {
		t.Fatal(err)
	}
	f.exports.Store(v.ID, "other:/moved")
	if _, err := s.Mount(ctx, MountRequest{Name: "web", User: "u2"}); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("another container on a server that is away: %v", err)
	}
	_ = h.lock.acquire(ctx, "test")
	kernelForgets(s, v.ID)
	src, err := s.connect(ctx, h)
	h.lock.release()
	if err != nil || h.rec.Connection.Data["exports"].([]string)[0] != "other:/moved" {
		t.Errorf("after the move: %+v, %v, %v", src, err, h.rec.Connection.Data)
	}
}

func kernelForgets(s *Service, id string) {
	k := s.of(Key{"c", "manila", id}).Connectors["fake"].(*shareKernel)
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.dev, id)
}

// TestSharesOfOneNameSettle_E8: hosts that made shares of one name at the same
// moment all end up on one of them, whatever the order of their steps.
func TestSharesOfOneNameSettle_E8(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for round := range 60 {
		all.Go(func() {
			f := newFarm()
			now := time.Now()
			var hosts []*Service
			for i, name := range []string{"a", "b"} {
				id := fmt.Sprintf("s%d", (i+round)%2)
				f.shares.add(id, "n", "available", map[string]string{"volume_from": "cl", "fuxi:v": "1", "fuxi:created": "t,h,x"}, now)
				f.as(name).share(id)
				s, _ := f.host(t, name, t.TempDir())
				v, _ := f.shares.Get(context.Background(), id)
				s.registry.put(v, time.Now())
				s.registry.bind("n", v.Key)
				s.handle(v).rec.CreatedHere = "x"
				hosts = append(hosts, s)
			}
			settleRound(t, hosts)
		})
	}
	all.Wait()
}

func settleRound(t *testing.T, hosts []*Service) {
	t.Helper()
	var mounts sync.WaitGroup
	for _, s := range hosts {
		mounts.Go(func() {
			if _, err := s.Mount(context.Background(), MountRequest{Name: "n", User: "u"}); err != nil {
				t.Errorf("host %s: %v", s.cfg.Host.Name, err)
			}
		})
	}
	mounts.Wait()
	first, _ := hosts[0].registry.resolve("n")
	for _, s := range hosts[1:] {
		if v, _ := s.registry.resolve("n"); v.ID != first.ID {
			t.Errorf("split: %s and %s", first.ID, v.ID)
		}
	}
}

// TestOneNameOverAllProviders: what one provider has no other makes again, and a
// silent provider means "cannot say".
func TestOneNameOverAllProviders(t *testing.T) {
	f, ctx := newFarm(), context.Background()
	s, _ := f.host(t, "a", t.TempDir())
	if err := s.Create(ctx, "web", nfsShare); err != nil {
		t.Fatal(err)
	}
	other, _ := f.host(t, "b", t.TempDir())
	err := other.Create(ctx, "web", map[string]string{"volume_provider": "cinder"})
	if !errors.Is(err, ErrConflict) || len(f.volumes.vols) > 0 {
		t.Errorf("a second volume of the name: %v, %v", err, f.volumes.vols)
	}
	if err := other.Create(ctx, "web", map[string]string{"fstype": "xfs"}); err == nil || !strings.Contains(err.Error(), "fstype") {
		t.Errorf("a share with another filesystem: %v", err)
	}
}

// TestSwitchedOffProviderStaysVisible: the share of an earlier configuration is
// unmounted though its provider is not enabled any more, and cannot be mounted.
func TestSwitchedOffProviderStaysVisible(t *testing.T) {
	f, ctx, dir := newFarm(), context.Background(), t.TempDir()
	s, _ := f.host(t, "a", dir)
	if err := s.Create(ctx, "web", nfsShare); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mount(ctx, MountRequest{Name: "web", User: "u"}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	again, _ := f.host(t, "a", dir, "cinder")
	if err := again.Unmount(ctx, "web", "u"); err != nil || len(f.mounted["a"]) > 0 {
		t.Errorf("Unmount: %v, still mounted %v", err, f.mounted["a"])
	}
	if _, err := again.Mount(ctx, MountRequest{Name: "web", User: "u"}); err == nil || !strings.Contains(err.Error(), "not enabled here") {
		t.Errorf("Mount: %v", err)
	}
	if _, err := again.Get(ctx, "web"); err != nil {
		t.Errorf("Get: %v", err)
	}
}
