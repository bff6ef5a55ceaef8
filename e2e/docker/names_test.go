package docker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// many is more volumes than one project of a large cloud has.
const many = 10_000

// TestNamesAndOptions is about what a user types and reads.
func TestNamesAndOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{cloud: simulator.Options{Seed: many}})
	rig.Eventually(t, patience, func() string {
		if n := s.listed(t); n < many {
			return fmt.Sprintf("fuxi knows %d volumes yet", n)
		}
		return ""
	})
	t.Run("E12ManyVolumes", func(t *testing.T) { manyVolumes(t, s) })
	t.Run("E14NamesAreRefused", func(t *testing.T) { namesAreRefused(t, s) })
	t.Run("E14UnknownNamesAreQuick", func(t *testing.T) { unknownNamesAreQuick(t, s) })
	t.Run("D6Help", func(t *testing.T) { help(t, s) })
	t.Run("D6BadOptions", func(t *testing.T) { badOptions(t, s) })
	t.Run("RepeatedCreate", func(t *testing.T) { repeatedCreate(t, s) })
	t.Run("E11Retain", func(t *testing.T) { retain(t, s) })
}

// listed counts the volumes that fuxi tells of.
func (s *site) listed(t *testing.T) int {
	t.Helper()
	out, err := s.fuxi.Call(t.Context(), "List", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := out["Volumes"].([]any)
	return len(all)
}

func manyVolumes(t *testing.T, s *site) {
	began := time.Now()
	out := s.docker(t, "volume", "ls", "-q")
	took := time.Since(began)
	t.Logf("docker volume ls of %d volumes took %s", many, took.Round(time.Millisecond))
	if n := strings.Count(out, "seed-"); n != many {
		t.Errorf("%d volumes are listed", n)
	}
	if took > 2*time.Second {
		t.Errorf("docker volume ls took %s", took)
	}
	if got := s.quick(t, "volume", "inspect", "-f", "{{.Name}}", "seed-000001"); got != "seed-000001" {
		t.Errorf("inspect shows %q", got)
	}
}

// Docker checks no name for a volume plugin; fuxi does, and says the rule.
func namesAreRefused(t *testing.T, s *site) {
	const rule = "a name starts with a letter or digit, followed by up to 254 letters, digits, '_', '.' or '-'"
	before := s.cloud.Counters()
	for _, name := range []string{
		"a/b", "../escape", "..", ".", ".hidden", "two words", "größe", "卷", "-dash", "_x", "a\nb", "a:b",
		"a%2fb", "$(id)", strings.Repeat("a", 256),
	} {
		began := time.Now()
		s.refused(t, rule, "volume", "create", "-d", "fuxi", "--", name)
		s.refused(t, rule, "run", "--rm", "--network", "none", "--mount", fmt.Sprintf(`type=volume,"src=%s",dst=/x,volume-driver=fuxi`, name), image, "true")
		if !strings.ContainsAny(name, "./\n") { // of these the client makes another address
			s.refused(t, "no such volume", "volume", "inspect", "--", name)
		}
		if took := time.Since(began); took > 2*atOnce {
			t.Errorf("%q took %s", name, took)
		}
	}
	_, calls := rig.Calls(before, s.cloud.Counters())
	if n := calls["POST /v3/{project}/volumes"]; n != 0 {
		t.Errorf("%d volumes were made", n)
	}
	for _, name := range []string{"a", "0", strings.Repeat("a", 255), "A_b.c-1", "a.", "a--"} {
		s.docker(t, "volume", "create", "-d", "fuxi", name)
		s.docker(t, "volume", "rm", name)
	}
}

// Docker asks for a name before it makes a volume of any driver.
func unknownNamesAreQuick(t *testing.T, s *site) {
	for i := range 3 {
		name := fmt.Sprintf("unheard-of-%d", i)
		began := time.Now()
		s.refused(t, "no such volume", "volume", "inspect", name)
		if took := time.Since(began); took > atOnce {
			t.Errorf("inspect of an unknown name took %s", took)
		}
	}
	s.quick(t, "run", "--rm", "--network", "none", "-v", "local-one:/x", image, "true")
}

func help(t *testing.T, s *site) {
	_, err := s.env.Docker("volume", "create", "-d", "fuxi", "-o", "help", "helped")
	if err == nil {
		t.Fatal("-o help made a volume")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) < 10 || !strings.HasSuffix(lines[0], "create helped: options of docker volume create -d fuxi -o OPTION=VALUE:") {
		t.Errorf("the user reads\n%s", err)
	}
	for _, option := range []string{"size", "fstype", "volume_id", "on_remove"} {
		if !strings.Contains(err.Error(), "\n  "+option+" ") {
			t.Errorf("no line tells of %s:\n%s", option, err)
		}
	}
	s.nothingMade(t, "helped")
}

func badOptions(t *testing.T, s *site) {
	for option, text := range map[string]string{
		"sizee=1":            `did you mean "size"?`,
		"size=big":           "whole GiB",
		"size=0":             "from 1 to",
		"fstype=ntfs":        "ext4, xfs or btrfs",
		"on_remove=maybe":    "delete or retain",
		"volume_id=x":        "a uuid",
		"fuxi:formatted=yes": "is unknown",
		"share_proto=NFS":    "is for volume_provider=manila",
	} {
		s.refused(t, text, "volume", "create", "-d", "fuxi", "-o", option, "badly")
	}
	_, err := s.env.Docker("volume", "create", "-d", "fuxi", "-o", "size=big", "-o", "fstype=ntfs", "-o", "zzz=1", "badly")
	for _, text := range []string{"size", "fstype", "zzz"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("of three mistakes not all are told: %v", err)
		}
	}
	s.nothingMade(t, "badly")
}

func (s *site) nothingMade(t *testing.T, name string) {
	t.Helper()
	if all := s.cloud.Volumes(name); len(all) > 0 {
		t.Errorf("the cloud has %v", all)
	}
	s.refused(t, "no such volume", "volume", "inspect", name)
}

// A Create that contradicts what is there is refused, also when dockerd has
// lost its own record of the volume, as after a new installation.
func repeatedCreate(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "size=2", "made")
	id := s.one(t, "made").ID
	for _, args := range [][]string{nil, {"-o", "size=2"}, {"-o", "size=1"}} {
		if err := s.fuxi.Create("made", optionsOf(args)); err != nil {
			t.Errorf("create again with %v: %v", args, err)
		}
	}
	if err := s.fuxi.Create("made", map[string]string{"size": "3"}); err == nil || !strings.Contains(err.Error(), "fuxi grow") {
		t.Errorf("create again, larger: %v", err)
	}
	s.docker(t, "volume", "create", "-d", "fuxi", "made")
	if got := s.one(t, "made").ID; got != id {
		t.Errorf("it is another volume now")
	}
	s.docker(t, "volume", "rm", "made")
}

func optionsOf(args []string) map[string]string {
	opts := map[string]string{}
	for _, arg := range args {
		if key, value, ok := strings.Cut(arg, "="); ok {
			opts[key] = value
		}
	}
	return opts
}

// What is retained is neither deleted nor in the way: the name is free for a
// new volume, and the old one comes back by its id, with its data.
func retain(t *testing.T, s *site) {
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "on_remove=retain", "ledger")
	s.run(t, "ledger", "echo precious >/vol/f")
	old := s.one(t, "ledger").ID
	s.docker(t, "volume", "rm", "ledger")
	s.refused(t, "no such volume", "volume", "inspect", "ledger")
	if got := s.one(t, "ledger"); got.ID != old || got.Status != "available" {
		t.Errorf("the cloud has %+v", got)
	}

	if got := s.run(t, "ledger", "ls -A /vol; touch /vol/new"); got != "" {
		t.Errorf("a new volume of the name shows %q", got)
	}
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "volume_id="+old, "ledger-of-before")
	if got := s.run(t, "ledger-of-before", "ls -A /vol; cat /vol/f"); got != "f\nprecious" {
		t.Errorf("the old volume shows %q", got)
	}
	if got := s.run(t, "ledger", "ls -A /vol"); got != "new" {
		t.Errorf("the new volume shows %q", got)
	}

	// Adopted, it is retained without being told so.
	s.docker(t, "volume", "rm", "ledger-of-before", "ledger")
	if got := s.one(t, "ledger"); got.ID != old {
		t.Errorf("the cloud has %+v", got)
	}
	s.docker(t, "volume", "create", "-d", "fuxi", "-o", "volume_id="+old, "ledger")
	if got := s.run(t, "ledger", "cat /vol/f"); got != "precious" {
		t.Errorf("under its old name it shows %q", got)
	}
}
