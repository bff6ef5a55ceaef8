package connectortest

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// RunShares runs the suite for connectors of shares. Subject.Connection is of a
// share that this host may write to; Leftovers may be nil: then what is below
// base, the directory that the connector mounts exports in, is looked at.
func RunShares(t *testing.T, factory func(t *testing.T) (s Subject, base string)) {
	for name, test := range map[string]func(*testing.T, Subject){
		"NotConnected":      notConnected,
		"ConnectTwice":      connectTwice,
		"DisconnectTwice":   disconnectTwice,
		"Again":             again,
		"Busy":              busy,
		"BusyHere":          busyHere,
		"FollowersAreIdle":  followersAreIdle,
		"Encrypted":         encrypted,
		"OddData":           oddData,
		"OddID":             oddID,
		"EndedContext":      endedContext,
		"Together":          together,
		"FailAtEachStep":    failAtEachStep,
		"DisconnectStopped": disconnectStopped,
		"Whole":             whole,
		"ReadOnly":          readOnly,
		"Stacked":           stacked,
		"SecondChoice":      secondChoice,
		"NoneWorks":         noneWorks,
	} {
		t.Run(name, func(t *testing.T) {
			s, base := factory(t)
			if s.Hold == nil {
				s.Hold = holdElsewhere
			}
			more := s.Leftovers
			s.Leftovers = func() []string {
				left := below(t, base)
				if more != nil {
					left = append(left, more()...)
				}
				return left
			}
			test(t, s)
			if left := s.Leftovers(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// below lists mounts and files below dir.
func below(t *testing.T, dir string) []string {
	mounts, err := host.New().Mounts()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, m := range mounts {
		if strings.HasPrefix(m.Point, dir+"/") {
			left = append(left, "mount at "+m.Point)
		}
	}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		left = append(left, filepath.Join(dir, entry.Name()))
	}
	return left
}

func holdElsewhere(t *testing.T, _ connector.Source) func() {
	_, end := hosttest.OtherNamespace(t)
	return end
}

// layer returns the one mount at the share's directory.
func layer(t *testing.T, src connector.Source) host.Mount {
	t.Helper()
	layers, err := host.New().MountsAt(src.Directory)
	if err != nil || len(layers) != 1 {
		t.Fatalf("at %s: %+v, %v", src.Directory, layers, err)
	}
	return layers[0]
}

// whole: what containers may not do, they may not do on any mount that is made
// of this one; and a user of the host does not get to the share.
func whole(t *testing.T, s Subject) {
	src := s.connect(t)
	m := layer(t, src)
	for _, option := range []string{"nosuid", "nodev", "rw"} {
		if !slices.Contains(strings.Split(m.Options, ","), option) {
			t.Errorf("mounted with %s, want %s", m.Options, option)
		}
	}
	if src.Device != "" || src.Export == "" || src.Proof["export"] == "" {
		t.Errorf("%+v", src)
	}
	if st, err := os.Stat(filepath.Dir(src.Directory)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory of all shares has mode %v, %v", st.Mode(), err)
	}
	s.disconnect(t)
}

// busyHere: a mount of the share in our own namespace is a user as well.
func busyHere(t *testing.T, s Subject) {
	src := s.connect(t)
	point := t.TempDir()
	hosttest.Tool(t, "mount", "--bind", src.Directory, point)
	err := s.Connector.Disconnect(hosttest.Context(t), s.Connection)
	if !errors.Is(err, connector.ErrBusy) || !strings.Contains(err.Error(), point) {
		t.Errorf("Disconnect of a share mounted at %s: %v, want ErrBusy", point, err)
	}
	s.find(t, src)
	hosttest.Tool(t, "umount", point)
	s.disconnect(t)
}

// followersAreIdle: a namespace whose copy goes with ours is nobody's use.
func followersAreIdle(t *testing.T, s Subject) {
	src := s.connect(t)
	if how := hosttest.Tool(t, "findmnt", "-no", "PROPAGATION", "-T", filepath.Dir(src.Directory)); !strings.Contains(how, "shared") {
		s.disconnect(t)
		t.Skip("SKIPPED, NOT TESTED: nothing follows mounts below " + filepath.Dir(src.Directory))
	}
	_, end := hosttest.NamespaceThatFollows(t)
	defer end()
	s.disconnect(t)
	s.nothingLeft(t, "after Disconnect")
}

func oddID(t *testing.T, s Subject) {
	for _, id := range []string{"", ".", "..", "../x", "a/b", "/etc", "-x", "a\x00b", strings.Repeat("a", 300)} {
		conn := s.Connection
		conn.VolumeID = id
		if src, err := s.Connector.Connect(hosttest.Context(t), conn); !errors.Is(err, connector.ErrUnsafe) {
			t.Errorf("Connect of %q: %+v, %v", id, src, err)
		}
		if err := s.Connector.Disconnect(hosttest.Context(t), conn); !errors.Is(err, connector.ErrUnsafe) {
			t.Errorf("Disconnect of %q: %v", id, err)
		}
		s.nothingLeft(t, "after an odd id")
	}
}

// readOnly: what was mounted for writing is mounted anew, and back.
func readOnly(t *testing.T, s Subject) {
	s.connect(t)
	for _, access := range []string{connector.ReadOnly, connector.ReadWrite} {
		s.Connection.Access = access
		if _, err := s.Connector.Find(hosttest.Context(t), s.Connection); !errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("Find for %s: %v, want ErrNotConnected", access, err)
		}
		src := s.connect(t)
		if ro := layer(t, src).ReadOnly(); ro != (access == connector.ReadOnly) {
			t.Errorf("for %s it is mounted with read-only %t", access, ro)
		}
	}
	release := s.Hold(t, connector.Source{})
	s.Connection.Access = connector.ReadOnly
	if _, err := s.Connector.Connect(hosttest.Context(t), s.Connection); !errors.Is(err, connector.ErrBusy) {
		t.Errorf("Connect for another access while in use: %v, want ErrBusy", err)
	}
	release()
	s.disconnect(t)
}

// stacked: what somebody mounted over the share is taken away before.
func stacked(t *testing.T, s Subject) {
	src := s.connect(t)
	hosttest.Tool(t, "mount", "-t", "tmpfs", "tmpfs", src.Directory)
	if _, err := s.Connector.Find(hosttest.Context(t), s.Connection); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("Find with another mount on top: %v, want ErrNotConnected", err)
	}
	s.find(t, s.connect(t))
	hosttest.Tool(t, "mount", "-t", "tmpfs", "tmpfs", src.Directory)
	s.disconnect(t)
}

// missing is the share's export with another last name.
func missing(s Subject) string {
	exports := s.Connection.Data["exports"].([]any)
	return exports[0].(string) + "-missing"
}

// offer lets the connection have these exports.
func (s *Subject) offer(exports ...any) {
	s.Connection.Data = maps.Clone(s.Connection.Data)
	s.Connection.Data["exports"] = exports
}

func secondChoice(t *testing.T, s Subject) {
	exports := s.Connection.Data["exports"].([]any)
	s.offer(append([]any{missing(s)}, exports...)...)
	src := s.connect(t)
	if src.Proof["export"] != exports[0] {
		t.Errorf("mounted %s", src.Proof["export"])
	}
	s.disconnect(t)
}

func noneWorks(t *testing.T, s Subject) {
	one := missing(s)
	s.offer(one, one+"2")
	_, err := s.Connector.Connect(hosttest.Context(t), s.Connection)
	if err == nil || !strings.Contains(err.Error(), one+":") || !strings.Contains(err.Error(), one+"2:") {
		t.Errorf("the error does not tell of both exports: %v", err)
	}
}
