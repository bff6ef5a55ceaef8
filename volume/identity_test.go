package volume

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// member is a host of the given machine id, name and iSCSI name on a state directory.
func member(t *testing.T, dir, machine, host, initiator string, c *memoryCloud) *Service {
	t.Helper()
	s := New(context.Background(), Config{
		Cluster: "cl", StateDir: dir, MountDir: "/var/lib/fuxi/mnt", BootID: "b",
		Host:    HostIdentity{Name: host, Properties: map[string]any{"initiator": initiator, "os_type": "linux"}},
		Refresh: time.Minute, Linger: time.Second, WaitForRelease: 100 * time.Millisecond, ReservationAge: time.Second,
	}, []Backend{{
		Cloud: "c", Name: "cinder", Defaults: Defaults{SizeGiB: 1, FSType: "ext4"}, Origin: Origin{MachineID: machine, Host: host, Project: "p"},
		Provider: c, Attacher: c, Health: c,
		Connectors: map[string]connector.Connector{"fake": newMemoryHost(c, map[string]connector.Content{})},
	}}, newMemoryHost(c, map[string]connector.Content{}), slog.New(slog.DiscardHandler))
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

func shown(t *testing.T, s *Service) any {
	t.Helper()
	me, err := s.identity(context.Background(), s.storages[0])
	if err != nil {
		t.Fatal(err)
	}
	return me.Properties["initiator"]
}

// TestClonedInitiatorIsNotShown: a machine image cloned with its state directory
// has the original's iSCSI name, which must not reach the cloud again.
func TestClonedInitiatorIsNotShown(t *testing.T) {
	for name, step := range map[string]struct {
		machine, host, initiator string
		twin                     bool
	}{
		"the same host":                  {"m1", "node1", "iqn.a", false},
		"a new iSCSI name":               {"m1", "node1", "iqn.b", false},
		"clone with all but its name":    {"m1", "node2", "iqn.a", true},
		"clone with another machine id":  {"m2", "node1", "iqn.a", true},
		"clone with a name of its own":   {"m2", "node2", "iqn.b", false},
		"clone on a host without iSCSI":  {"m2", "node2", "", false},
		"renamed host, iSCSI name stays": {"m1", "renamed", "iqn.a", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first := member(t, dir, "m1", "node1", "iqn.a", newMemoryCloud())
			if got := shown(t, first); got != "iqn.a" {
				t.Fatalf("the first host shows %v", got)
			}
			first.kill()
			s := member(t, dir, step.machine, step.host, step.initiator, newMemoryCloud())
			if got := shown(t, s); step.twin != (got == nil) {
				t.Errorf("shows %v", got)
			}
			if st, err := s.Status(context.Background()); err != nil || step.twin != (len(st.SetAside) > 0) {
				t.Errorf("told: %q, %v", st.SetAside, err)
			}
			s.kill()
			// It stays so at the next start, and ends with a name of its own.
			s = member(t, dir, step.machine, step.host, step.initiator, newMemoryCloud())
			if step.twin != (s.twin != "") {
				t.Errorf("at the next start: %q", s.twin)
			}
			s.kill()
			if s = member(t, dir, step.machine, step.host, "iqn.own", newMemoryCloud()); s.twin != "" {
				t.Errorf("with a name of its own: %q", s.twin)
			}
		})
	}
}

// TestClonedInitiatorExplainsTheRefusal: the cloud's own words about a missing
// initiator would send the operator the wrong way.
func TestClonedInitiatorExplainsTheRefusal(t *testing.T) {
	dir, c := t.TempDir(), newMemoryCloud()
	member(t, dir, "m1", "node1", "iqn.a", c).kill()
	s := member(t, dir, "m2", "node2", "iqn.a", c)
	c.onExpose = func(Volume) error { return Errorf(ErrInvalid, "connector is missing initiator") }
	ctx := context.Background()
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
	if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), "node1") || !strings.Contains(err.Error(), "iscsi-iname") {
		t.Errorf("Mount: %v", err)
	}
}

// TestDescribeRefusesAMount: what the host cannot say about itself is an error
// of the mount, and nothing stays reserved.
func TestDescribeRefusesAMount(t *testing.T) {
	c := newMemoryCloud()
	s := member(t, t.TempDir(), "m1", "node1", "iqn.a", c)
	s.storages[0].Describe = func(context.Context) (map[string]any, error) { return nil, errors.New("multipathd does not run") }
	ctx := context.Background()
	if err := s.Create(ctx, "n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"}); err == nil || !strings.Contains(err.Error(), "multipathd does not run") {
		t.Errorf("Mount: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.att) > 0 {
		t.Errorf("still reserved: %v", c.att)
	}
}
