package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// grower is an engine with one formatted volume of a GiB, mounted for c1.
type grower struct {
	*Service
	t     *testing.T
	cloud *memoryCloud
	host  *memoryHost
	dir   string
}

func newGrower(t *testing.T) *grower {
	t.Helper()
	c, content := newMemoryCloud(), map[string]connector.Content{}
	c.add("v1", "n", "available", formatted(), time.Now())
	has(content, "v1")
	g := &grower{t: t, cloud: c, host: newMemoryHost(c, content), dir: t.TempDir()}
	g.host.late = map[string]int{}
	g.Service = engine(t, "A", g.dir, c, g.host, "p")
	if _, err := g.Mount(t.Context(), MountRequest{Name: "n", User: "c1"}); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *grower) restart() {
	g.t.Helper()
	g.kill()
	g.Service = engine(g.t, "A", g.dir, g.cloud, g.host, "p")
}

func (g *grower) to(size int) (Grown, error) {
	return g.Grow(g.t.Context(), GrowRequest{Name: "n", SizeGiB: size})
}

// onDisk is the record as a crash would leave it now.
func (g *grower) onDisk() Record {
	g.t.Helper()
	data, err := os.ReadFile(filepath.Join(g.dir, "journal", recordFile(Key{"c", "cinder", "v1"})))
	if err != nil {
		g.t.Fatal(err)
	}
	var r Record
	if err := json.Unmarshal(newestSlot(data), &r); err != nil {
		g.t.Fatal(err)
	}
	return r
}

const target = "/var/lib/fuxi/mnt/cinder/n"

// The order is on disk before the cloud hears of it, and the size before the
// device gets it.
func TestGrowAnnouncesEachStep_E6(t *testing.T) {
	g := newGrower(t)
	var ordered, resized Record
	g.cloud.onExtend = func(v *Volume, size int) error {
		ordered = g.onDisk()
		v.SizeGiB = size
		g.host.mu.Lock()
		g.host.late["v1"] = 1
		g.host.mu.Unlock()
		return nil
	}
	g.host.onResize = func(connector.Connection) { resized = g.onDisk() }
	grown, err := g.to(3)
	if want := (Grown{Name: "n", ID: "v1", WasGiB: 1, SizeGiB: 3, Reached: ReachFilesystem}); err != nil || grown != want {
		t.Fatalf("%+v, %v", grown, err)
	}
	if ordered.Grow != 3 || ordered.Connection.SizeGiB != 1 {
		t.Errorf("when the cloud was asked: to grow to %d, connection %d", ordered.Grow, ordered.Connection.SizeGiB)
	}
	if resized.Grow != 3 || resized.Connection.SizeGiB != 3 || resized.Volume.SizeGiB != 3 {
		t.Errorf("when the device was touched: to grow to %d, connection %d, volume %d", resized.Grow, resized.Connection.SizeGiB, resized.Volume.SizeGiB)
	}
	if now := g.onDisk(); now.Grow != 0 || now.Source.SizeBytes != 3<<30 || now.Step != StepMounted || len(now.Users) != 1 {
		t.Errorf("afterwards: %+v", now)
	}
	if want := []string{"/dev/v1 at " + target + " to 3"}; !slices.Equal(g.host.grown, want) {
		t.Errorf("grown: %v", g.host.grown)
	}
}

// A device that a crash kept from following is no foreign one: who mounts next
// has it follow, without the cloud.
func TestLateDeviceFollowsAtMount_E6(t *testing.T) {
	g := newGrower(t)
	g.host.onResize = func(connector.Connection) {
		g.host.mu.Lock()
		defer g.host.mu.Unlock()
		g.host.late["v1"] = 1
		panic("crash")
	}
	func() {
		defer func() { _ = recover() }()
		h := g.known(Key{"c", "cinder", "v1"})
		g.cloud.vols["v1"].SizeGiB = 2
		v, _ := g.cloud.Get(t.Context(), "v1")
		_, _ = (&growth{s: g.Service, h: h, name: "n", want: 2}).follow(t.Context(), v.SizeGiB)
	}()
	if r := g.onDisk(); r.Connection.SizeGiB != 2 || r.Grow != 2 {
		t.Fatalf("the crash left %+v", r)
	}
	g.host.onResize = nil
	g.restart()
	g.cloud.down = true
	if path, err := g.Mount(t.Context(), MountRequest{Name: "n", User: "c2"}); err != nil || path != target {
		t.Errorf("mount: %q, %v", path, err)
	}
	if len(g.host.late) > 0 {
		t.Error("the device has not followed")
	}
}

// After a crash what the cloud was not heard to do is not ordered again.
func TestInterruptedGrowIsNotOrderedAgain_E6(t *testing.T) {
	t.Parallel()
	g := newGrower(t)
	h := g.known(Key{"c", "cinder", "v1"})
	if err := (&growth{s: g.Service, h: h, name: "n", want: 2}).intend(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.restart()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go g.Run(ctx)
	until := time.Now().Add(lostGrace + 10*time.Second)
	for g.onDisk().Grow != 0 && time.Now().Before(until) {
		time.Sleep(50 * time.Millisecond)
	}
	if g.cloud.extends != 0 || g.cloud.vols["v1"].SizeGiB != 1 || g.onDisk().Grow != 0 {
		t.Errorf("the cloud was asked %d times and has %d GiB; on disk %d", g.cloud.extends, g.cloud.vols["v1"].SizeGiB, g.onDisk().Grow)
	}
	status, err := g.Status(t.Context())
	if err != nil || len(status.Unfinished) > 0 || !slices.ContainsFunc(status.Events, func(e Event) bool { return strings.Contains(e.Text, "repeat fuxi grow n 2") }) {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// A filesystem that cannot follow leaves the order open, for Status and for the
// repetition; the volume is served on.
func TestGrowFilesystemFails_G1(t *testing.T) {
	g := newGrower(t)
	g.host.growErr = errors.New("no capability")
	if _, err := g.to(2); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no capability") {
		t.Errorf("%v", err)
	}
	status, err := g.Status(t.Context())
	if err != nil || len(status.Unfinished) != 1 || status.Unfinished[0].Step != "growing to 2 GiB" || !strings.Contains(status.Unfinished[0].Next, "fuxi grow n 2") {
		t.Errorf("status: %+v, %v", status.Unfinished, err)
	}
	g.host.growErr = nil
	if grown, err := g.to(2); err != nil || grown.WasGiB != 2 || grown.Reached != ReachFilesystem || g.cloud.extends != 1 {
		t.Errorf("repeated: %+v, %v, asked %d times", grown, err, g.cloud.extends)
	}
	if status, _ := g.Status(t.Context()); len(status.Unfinished) > 0 {
		t.Errorf("status: %+v", status.Unfinished)
	}
}

// A mount point that shows another device is not grown.
func TestGrowLeavesAnotherDeviceAlone_A2(t *testing.T) {
	g := newGrower(t)
	g.host.mounts[target] = "/dev/foreign"
	if _, err := g.to(2); !errors.Is(err, ErrUnsafe) || len(g.host.grown) > 0 {
		t.Errorf("%v, grown %v", err, g.host.grown)
	}
}

// Without a Resizer the record keeps the size that the device shows.
func TestGrowWithoutResizer_G1(t *testing.T) {
	g := newGrower(t)
	g.storages[0].Connectors["fake"] = struct{ connector.Connector }{g.host}
	g.cloud.onExtend = func(v *Volume, size int) error { v.SizeGiB = size; g.host.late["v1"] = 1; return nil }
	if grown, err := g.to(2); err != nil || grown.Reached != ReachHidden {
		t.Errorf("%+v, %v", grown, err)
	}
	if r := g.onDisk(); r.Connection.SizeGiB != 1 || r.Grow != 0 {
		t.Errorf("record: connection %d, to grow to %d", r.Connection.SizeGiB, r.Grow)
	}
	if _, err := g.Mount(t.Context(), MountRequest{Name: "n", User: "c2"}); err != nil {
		t.Errorf("mount: %v", err)
	}
}

// While the cloud works, containers come and go.
func TestGrowDoesNotHoldTheVolume_E1(t *testing.T) {
	g := newGrower(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	g.cloud.onExtend = func(v *Volume, size int) error {
		v.Status = "extending"
		close(asked)
		return nil
	}
	done := make(chan error, 1)
	go func() { _, err := g.to(2); done <- err }()
	<-asked
	go func() {
		<-goOn
		g.cloud.mu.Lock()
		defer g.cloud.mu.Unlock()
		v := g.cloud.vols["v1"]
		v.Status, v.SizeGiB = "available", 2
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := g.Mount(ctx, MountRequest{Name: "n", User: "c2"}); err != nil {
		t.Errorf("mount: %v", err)
	}
	if err := errors.Join(g.Unmount(ctx, "n", "c1"), g.Unmount(ctx, "n", "c2")); err != nil {
		t.Errorf("unmount: %v", err)
	}
	attachments := func() int {
		g.cloud.mu.Lock()
		defer g.cloud.mu.Unlock()
		return len(g.cloud.att)
	}
	if err := g.Remove(ctx, "n"); !errors.Is(err, ErrConflict) {
		t.Errorf("remove: %v, want ErrConflict", err)
	}
	time.Sleep(4 * g.cfg.Linger)
	if attachments() != 1 {
		t.Error("given back while the cloud extends it")
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("grow: %v", err)
	}
	for attachments() > 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	if attachments() > 0 {
		t.Error("never given back")
	}
}

// The cloud's own words are passed on.
func TestGrowPassesOnTheComplaint_G1(t *testing.T) {
	g := newGrower(t)
	g.cloud.onExtend = func(*Volume, int) error { return nil }
	g.cloud.complaint = "no weighted backend"
	if _, err := g.to(2); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no weighted backend") {
		t.Errorf("%v", err)
	}
	if r := g.onDisk(); r.Grow != 0 {
		t.Errorf("the record still says to grow to %d", r.Grow)
	}
}

// A status that changed since it was looked at is looked at again; one that
// stays is told.
func TestGrowLooksAgain_G1(t *testing.T) {
	g := newGrower(t)
	g.cloud.onExtend = func(v *Volume, size int) error {
		if g.cloud.extends == 1 {
			return Errorf(ErrConflict, "status must be available")
		}
		v.SizeGiB = size
		return nil
	}
	if grown, err := g.to(2); err != nil || grown.SizeGiB != 2 || g.cloud.extends != 2 {
		t.Errorf("%+v, %v, asked %d times", grown, err, g.cloud.extends)
	}
	g.cloud.vols["v1"].Status = "retyping"
	if _, err := g.to(3); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "status retyping") || g.cloud.extends != 2 {
		t.Errorf("%v, asked %d times", err, g.cloud.extends)
	}
}

func TestParseSize(t *testing.T) {
	for value, want := range map[string]int{"1": 1, "10G": 10, "10GiB": 10, "2t": 2048, "65536": 65536} {
		if got, err := ParseSize(value); err != nil || got != want {
			t.Errorf("%s: %d, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "0", "-1", "+1", "1.5", "1 G", "010", "10GB", "65537", "1e3", "x"} {
		if got, err := ParseSize(value); !errors.Is(err, ErrInvalid) || got != 0 || !strings.HasPrefix(err.Error(), "size ") {
			t.Errorf("%q: %d, %v", value, got, err)
		}
	}
}

// deadPath is a host one of whose paths to the volume does not answer: the
// device cannot follow.
type deadPath struct{ *memoryHost }

func (d deadPath) Resize(context.Context, connector.Connection) (connector.Source, error) {
	return connector.Source{}, fmt.Errorf("path sdb does not answer, so it cannot follow: %w", connector.ErrUnsafe)
}

// A mounted volume that cannot grow now stays usable, for new containers too,
// and grows when its paths are back.
func TestVolumeThatCannotFollowStaysUsable_F1(t *testing.T) {
	g := newGrower(t)
	g.cloud.onExtend = func(v *Volume, size int) error { v.SizeGiB = size; g.host.late["v1"] = 1; return nil }
	g.storages[0].Connectors["fake"] = deadPath{g.host}
	if _, err := g.to(2); err == nil || !strings.Contains(err.Error(), "sdb does not answer") {
		t.Fatalf("growing over a dead path: %v", err)
	}
	if _, err := g.Mount(t.Context(), MountRequest{Name: "n", User: "c2"}); err != nil {
		t.Fatalf("another container while it waits to grow: %v", err)
	}
	g.storages[0].Connectors["fake"] = g.host
	if _, err := g.to(2); err != nil || g.onDisk().Grow != 0 {
		t.Errorf("with the path back: %v, still to grow to %d", err, g.onDisk().Grow)
	}
}
