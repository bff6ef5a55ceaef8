package pretend_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

// pretendHost plays recordings on a pretend host.
type pretendHost struct {
	m      *pretend.Machine
	values map[string]string
	held   int
}

func (p *pretendHost) host() *host.Host { return p.m.Host }

func newPretendHost(t *testing.T) *pretendHost {
	m := pretend.New(t)
	p := &pretendHost{m: m, values: map[string]string{"IP1": "192.0.2.11", "IP2": "192.0.3.11", "P1": "192.0.2.11:3260", "P2": "192.0.3.11:3260",
		"IQN": "iqn.2010-10.org.openstack:volume-1", "USER": "somebody", "PASS": "a-secret-word", "INITIATOR": pretend.Initiator,
		"OWN": pretend.Address, "SILENT": "192.0.2.99"}}
	target := m.Target(p.values["IQN"], p.values["P1"], p.values["P2"])
	target.User, target.Password = p.values["USER"], p.values["PASS"]
	target.Export(0, m.Disk(hosttest.GiB))
	return p
}

func (p *pretendHost) do(t *testing.T, action string) {
	t.Helper()
	switch action {
	case "iscsid ends", "iscsid begins":
		p.m.Set(func(f *pretend.Faults) { f.IscsidDown = action == "iscsid ends" })
	case "multipathd ends", "multipathd begins":
		p.m.Set(func(f *pretend.Faults) { f.MultipathdDown = action == "multipathd ends" })
	case "node database taken":
		p.write(t, "run/lock/iscsi/lock.write")
	case "node database given back":
		os.Remove(p.m.Host.Path("run/lock/iscsi/lock.write"))
	case "map held":
		p.hold(t)
	case "a pause":
	case "map let go":
		unix.Close(p.held)
	case "both portals logged in":
		for _, portal := range []string{"P1", "P2"} {
			p.run(t, portal, "-o new", "-o update -n node.session.scan -v manual -n node.session.auth.authmethod -v CHAP",
				"-o update -n node.session.auth.username -v "+p.values["USER"]+" -n node.session.auth.password -v "+p.values["PASS"], "--login")
		}
	case "both portals logged out":
		for _, portal := range []string{"P1", "P2"} {
			p.run(t, portal, "--logout", "-o delete")
		}
	default:
		t.Fatalf("unknown action %q", action)
	}
}

func (p *pretendHost) run(t *testing.T, portal string, commands ...string) {
	t.Helper()
	for _, c := range commands {
		words := "iscsiadm -m node -T " + p.values["IQN"] + " -p " + p.values[portal] + " " + c
		if res, err := p.m.Command(hosttest.Context(t), words); err != nil || res.ExitCode != 0 {
			t.Fatalf("%s: %v, %d: %s", words, err, res.ExitCode, res.LastWords())
		}
	}
}

func (p *pretendHost) write(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(p.m.Host.Path(file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pretendHost) hold(t *testing.T) {
	t.Helper()
	found, _ := filepath.Glob(p.m.Host.Path("dev/dm-*"))
	if len(found) != 1 {
		t.Fatalf("maps: %v", found)
	}
	fd, err := unix.Open(found[0], unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.held = fd
}

// TestRecordings plays every recording of a real host on the pretend host: the
// answers are the same, but that its directories hold less.
func TestRecordings(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no recordings")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			host := newPretendHost(t)
			p := newPlayer(t, host, host.values)
			p.timeout = 10 * time.Second
			for _, s := range readRecording(t, file).statements {
				begin := time.Now()
				answer := p.play(s.text)
				if took := time.Since(begin); took > time.Second {
					t.Log(s.text, took)
				}
				if !same(s, answer) {
					t.Errorf("%s\n%s", s.text, difference("pretend", answer, "real", s.answer))
				}
			}
			if left := host.m.Leftovers(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// same compares what the pretend host answered with what the real one did.
func same(s statement, answer []string) bool {
	if strings.HasPrefix(s.text, "tree ") {
		return !slices.ContainsFunc(answer, func(line string) bool { return !slices.Contains(s.answer, line) })
	}
	return slices.Equal(answer, s.answer)
}
