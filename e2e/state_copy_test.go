package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// copyState gives to what a copy of from's state directory would hold, as it
// is this moment.
func copyState(t *testing.T, from, to *rig.Daemon) {
	t.Helper()
	if err := os.MkdirAll(to.StateDir(), 0o711); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"journal", "registry.jsonl", "lock"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(from.StateDir(), part), to.StateDir()).CombinedOutput(); err != nil && part == "journal" {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// records are the files of the journal that tell of volumes.
func records(t *testing.T, d *rig.Daemon) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.StateDir(), "journal", "volume.*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("records of %s: %v, %v", d.Host, files, err)
	}
	return files
}

// recordIn is the newest record of a journal file, whether it holds one or the
// two slots that are written in turns. Written back alone it is a record too.
func recordIn(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var newest, record []byte
	for _, m := range regexp.MustCompile(`(?:write ([0-9a-f]{16}),[^\n]*\n)?(\{[^\n]*\})`).FindAllSubmatch(data, -1) {
		if record == nil || bytes.Compare(m[1], newest) > 0 {
			newest, record = m[1], m[2]
		}
	}
	if record == nil {
		t.Fatalf("no record in %s: %s", file, data)
	}
	return record
}

// rewrite replaces text in every record; it must be there.
func rewrite(t *testing.T, d *rig.Daemon, old, with string) {
	t.Helper()
	for _, file := range records(t, d) {
		data := recordIn(t, file)
		if !strings.Contains(string(data), old) {
			t.Fatalf("%s lacks %s: %s", file, old, data)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), old, with)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A copied machine image brings the original's records along. The copy must
// never give back what the original uses.
func TestCopiedStateIsSetAside_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		t.Skip("this machine has no id")
	}
	for name, c := range map[string]struct{ host, old, with, says string }{
		"other host name":  {"copy", "", "", `host name is "original" there and "copy" here`},
		"other machine id": {"original", strings.TrimSpace(string(machine)), "0123456789abcdef0123456789abcdef", `machine id is "0123456789abcdef0123456789abcdef" there`},
		"other project":    {"original", `"auth_url":"`, `"auth_url":"x`, `auth URL is "xhttp`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{})
			original := rig.NewDaemon(t, cloud, "original", quiet())
			original.Start()
			s := newScene(t, cloud, original, "vol", nil)
			path := s.mount("c1")
			if err := writeSynced(filepath.Join(path, "f"), "precious"); err != nil {
				t.Fatal(err)
			}
			clone := rig.NewDaemon(t, cloud, c.host, quiet())
			copyState(t, original, clone)
			if c.old != "" {
				rewrite(t, clone, c.old, c.with)
			}
			attachments := cloud.Attachments()
			clone.Start()
			st := status(t, clone)
			if len(st.SetAside) != 1 || !containsAll(st.SetAside[0], []string{"vol", s.id, c.says, "nothing is done about it in the cloud"}) {
				t.Errorf("set aside: %v", st.SetAside)
			}
			harmless(t, clone)
			time.Sleep(1500 * time.Millisecond) // as long as an unused volume of the copy's own would stay
			clone.Stop()
			if now := cloud.Attachments(); !slices.Equal(now, attachments) || s.seen().Status != "in-use" {
				t.Errorf("attachments %v became %v", attachments, now)
			}
			if got, err := os.ReadFile(filepath.Join(s.mount("c2"), "f")); err != nil || string(got) != "precious" {
				t.Errorf("the original reads %q, %v", got, err)
			}
			s.unmount("c1")
			s.unmount("c2")
			s.givenBack()
			clone.Start()
			(&scene{t: t, cloud: cloud, d: clone, name: "vol", id: s.id}).holds("f", "precious")
		})
	}
}

// harmless is all that Docker may ask of a copy about a volume that the
// original uses.
func harmless(t *testing.T, clone *rig.Daemon) {
	t.Helper()
	if _, err := clone.Get("vol"); err != nil {
		t.Errorf("get on the copy: %v", err)
	}
	if err := clone.Unmount("vol", "c1"); err != nil {
		t.Errorf("unmount on the copy: %v", err)
	}
	if _, err := clone.Mount("vol", "c1"); err == nil || !strings.Contains(err.Error(), "attached to") {
		t.Errorf("mount on the copy: %v", err)
	}
	if err := clone.Remove("vol"); err == nil {
		t.Error("the copy removed what the original uses")
	}
}

// Two daemons on one state directory would each undo what the other does.
func TestSecondDaemonIsRefused_E6(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{})
	d := rig.NewDaemon(t, cloud, "host", quiet())
	d.Start()
	s := newScene(t, cloud, d, "vol", nil)
	path := s.mount("c1")
	same := quiet()
	same["plugin"] = append(same["plugin"], `state_dir = "`+d.StateDir()+`"`)
	second := rig.NewDaemon(t, cloud, "host", same)
	second.Launch()
	if second.AwaitOrDie() || !strings.Contains(second.Log(), "used by another fuxi that is running") {
		t.Errorf("the second daemon: %s", second.Log())
	}
	if err := writeSynced(filepath.Join(path, "f"), "x"); err != nil || !s.mounted() || s.seen().Status != "in-use" {
		t.Errorf("the first one's volume: %v, %v", s.seen(), err)
	}
	if st := status(t, d); len(st.Volumes) != 1 {
		t.Errorf("the first one's status: %+v", st)
	}
	s.unmount("c1")
	s.givenBack()
}
