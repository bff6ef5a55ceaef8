//go:build e2e

package pretend_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

// labNode is the machine this test runs on: a throw-away host with open-iscsi
// and multipath-tools, to which a volume of one GiB is exported on two portals.
type labNode struct {
	h   *host.Host
	env []string // the known values, for the actions
}

func (n *labNode) host() *host.Host { return n.h }

func (n *labNode) do(t *testing.T, action string) {
	t.Helper()
	file := filepath.Join("testdata", "actions", strings.ReplaceAll(action, " ", "-")+".sh")
	cmd := exec.Command("sh", file)
	cmd.Env = append(os.Environ(), n.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
}

// TestRecordingsAgainstALabNode repeats every recording on a real host. The
// environment variable FUXI_PRETEND_CONNECTION names a file with Cinder's
// connection_info, FUXI_PRETEND_SILENT an address of the storage network that
// nobody has; with FUXI_PRETEND_RECORD=1 the recordings are written anew.
func TestRecordingsAgainstALabNode(t *testing.T) {
	file := os.Getenv("FUXI_PRETEND_CONNECTION")
	if file == "" {
		t.Fatal("set FUXI_PRETEND_CONNECTION to a file with the connection_info of a volume of 1 GiB")
	}
	known := labValues(t, file)
	var env []string
	for name, value := range known {
		env = append(env, name+"="+value)
	}
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := readRecording(t, file)
			node := &labNode{host.New(), env}
			node.do(t, "clean")
			p := newPlayer(t, node, known)
			for i, s := range r.statements {
				answer := p.play(s.text)
				if os.Getenv("FUXI_PRETEND_RECORD") != "" {
					r.statements[i].answer = answer
					r.write(t)
				} else if !slices.Equal(answer, s.answer) {
					t.Errorf("%s\n%s", s.text, difference("now", answer, "before", s.answer))
				}
			}
		})
	}
}

func labValues(t *testing.T, file string) map[string]string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Portals  []string `json:"target_portals"`
		IQNs     []string `json:"target_iqns"`
		User     string   `json:"auth_username"`
		Password string   `json:"auth_password"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	ip := func(portal string) string { a, _, _ := strings.Cut(portal, ":"); return a }
	return map[string]string{"P1": c.Portals[0], "P2": c.Portals[1], "IP1": ip(c.Portals[0]), "IP2": ip(c.Portals[1]), "IQN": c.IQNs[0],
		"USER": c.User, "PASS": c.Password, "INITIATOR": initiatorName(), "OWN": ownAddress(c.Portals[0]), "SILENT": os.Getenv("FUXI_PRETEND_SILENT")}
}

// ownAddress returns this host's address towards a portal; nothing is sent.
func ownAddress(portal string) string {
	conn, err := net.Dial("udp", portal)
	if err != nil {
		return ""
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

func initiatorName() string {
	b, _ := os.ReadFile("/etc/iscsi/initiatorname.iscsi")
	_, name, _ := strings.Cut(strings.TrimSpace(string(b)), "=")
	return name
}

// write puts the answers of this run into the file.
func (r *recording) write(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, s := range r.statements {
		for _, line := range slices.Concat(s.before, []string{s.text}, s.answer) {
			b.WriteString(line + "\n")
		}
	}
	if err := os.WriteFile(r.file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
