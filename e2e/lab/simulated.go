//go:build e2e

package lab

import (
	"bufio"
	wire "encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// No virtual machine fits into the lab, but its Docker hosts are kernels that a
// process runs, and that process plugs disks in and out like a hypervisor. So
// the disks of this cloud are real to fuxi, and its Cinder and Nova simulated.

// nova is a volume that the hypervisor attaches to the server that the host is.
func nova() storage {
	return storage{
		name: "nova", kind: "standard", options: []string{"-o", "volume_type=standard"}, seen: `^/dev/ubd[b-p] /vol ext4 `, trouble: diskTrouble, simulated: true,
		settings: settings{
			"plugin": {`providers = ["cinder"]`, `state_dir = "` + stateDir + `/nova"`},
			"cloud":  {`cloud = "sim"`, `clouds_file = "/etc/openstack/sim.yaml"`},
			"cinder": {`connector = "nova"`, `volume_type = ""`},
			"nova":   {`instance_id = "` + itself + `"`},
		},
	}
}

// itself stands for the id of the server that a host is, in its settings.
const itself = "@server@"

// stranger is a server of the simulated cloud that is none of the lab's machines:
// what is attached to it appears nowhere.
const stranger = "5e7fe47e-0000-4000-8000-00000000ffff"

// server is the id of the server that a host of the lab is.
func server(node string) string {
	return fmt.Sprintf("5e7fe47e-0000-4000-8000-%012s", regexp.MustCompile(`\D`).ReplaceAllString(node, ""))
}

// simulate starts a cloud for this scene alone, in which its hosts are servers.
// It ends with the scene.
func (s *scene) simulate() {
	s.t.Helper()
	run, err := s.lab.dir()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Join(run, "sim-"+s.names+"cloud")
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	args := []string{"serve", "--dir", dir, "--listen", "10.77.0.1:0", "--server", stranger}
	for _, n := range s.nodes {
		args = append(args, "--server", fmt.Sprintf("%s,name=%s,console=%s,path=%s:/run/lab", server(n.name), n.name, filepath.Join(run, "uml", n.name, "mconsole"), run))
	}
	cmd := exec.Command(s.sim, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			s.t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("the simulated cloud ended with %v", err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("the simulated cloud does not start: %v", err)
	}
	clouds, err := os.ReadFile(filepath.Join(dir, "clouds.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.cloud = &cloud{keystone: strings.TrimSpace(url), user: entry(clouds, "username"), password: entry(clouds, "password"), scope: entry(clouds, "project_name")}
	for _, n := range s.nodes {
		n.write("/etc/openstack/sim.yaml", string(clouds), 0o600)
	}
}

// forget removes what fuxi on the scene's hosts knew of an earlier simulated
// cloud: each has projects of its own.
func (s *scene) forget() {
	s.t.Helper()
	for _, n := range s.nodes {
		n.sh("rm -rf --one-file-system " + stateDir + "/nova")
	}
}

// entry finds a value of the administrator's cloud in a clouds.yaml.
func entry(clouds []byte, key string) string {
	_, admin, _ := strings.Cut(string(clouds), "\n  sim-admin:\n")
	if found := regexp.MustCompile(`(?m)^ +` + key + `: "(.*)"$`).FindStringSubmatch(admin); found != nil {
		return found[1]
	}
	return ""
}

// dir is where the lab keeps what its machines share with this host.
func (l lab) dir() (string, error) {
	out, err := exec.Command("bash", "-c", `. "$1/lib/settings.sh" && echo "$RUN"`, "bash", filepath.Dir(l.command)).Output()
	return strings.TrimSpace(string(out)), err
}

// console has the process that runs a host's kernel do something, and returns
// what it says. The form is that of arch/um/drivers/mconsole.h: three native
// words, then text.
func (s *scene) console(n *node, command string) string {
	s.t.Helper()
	run, err := s.lab.dir()
	if err != nil {
		s.t.Fatal(err)
	}
	local := &net.UnixAddr{Net: "unixgram", Name: "@" + s.names + fmt.Sprint(time.Now().UnixNano())}
	conn, err := net.DialUnix("unixgram", local, &net.UnixAddr{Net: "unixgram", Name: filepath.Join(run, "uml", n.name, "mconsole")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	request := make([]byte, 12+512)
	for i, word := range []uint32{0xcafebabe, 2, uint32(len(command))} {
		wire.NativeEndian.PutUint32(request[4*i:], word)
	}
	copy(request[12:], command)
	answer := make([]byte, 12+4096)
	err = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err == nil {
		_, err = conn.Write(request)
	}
	length := 0
	if err == nil {
		length, err = conn.Read(answer)
	}
	if err != nil || length < 12 || wire.NativeEndian.Uint32(answer) != 0 {
		s.t.Fatalf("the console of %s on %q: %v %q", n.name, command, err, answer[:length])
	}
	return strings.Trim(string(answer[12:length]), "\x00\n ")
}
