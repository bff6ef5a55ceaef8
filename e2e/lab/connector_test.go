//go:build e2e

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// realTarget: the conformance suite of connectors on a Docker host, with a unit
// that Cinder exports: on one path, and over a multipath map.
func realTarget(s *scene) {
	n := s.nodes[0]
	r := s.newRaw(n, "unit", true)
	const given = "/run/connection.json"
	n.write(given, `{"volume_id": "`+r.id+`", "size": 1, "info": `+n.sh("cat", r.file)+`}`, 0o600)
	n.push(s.tests("./connector/iscsi", "lab"), "/run/iscsi.test")
	which := "^(TestConformanceOnARealTarget|TestRefused.*|TestReadOnly.*)$/^(ConnectTwice|DisconnectTwice|Busy|WrongSize|)$"
	if s.full {
		which = "^(TestConformanceOnARealTarget|TestRefused.*|TestReadOnly.*)$"
	}
	for _, mode := range []string{"off", "auto"} {
		out, err := n.long("env", "FUXI_ISCSI_CONNECTION="+given, "FUXI_ISCSI_MULTIPATH="+mode, "CI=true",
			"/run/iscsi.test", "-test.timeout=20m", "-test.v", "-test.run="+which)
		if err != nil || !strings.Contains(out, "--- PASS: TestConformanceOnARealTarget") {
			s.t.Errorf("multipath %s: %v\n%s", mode, err, out)
		}
	}
}

// recordings: what the pretend kernel answers in the tests of the connector was
// recorded on such a host; it still answers the same.
func recordings(s *scene) {
	n := s.nodes[0]
	r := s.newRaw(n, "unit", true)
	data, err := filepath.Abs("../../connector/host/hosttest/pretend/testdata")
	if err != nil {
		s.t.Fatal(err)
	}
	archive := filepath.Join(s.t.TempDir(), "testdata.tar")
	if out, err := exec.Command("tar", "-C", filepath.Dir(data), "-cf", archive, filepath.Base(data)).CombinedOutput(); err != nil {
		s.t.Fatalf("tar: %v %s", err, out)
	}
	n.push(archive, "/run/testdata.tar")
	n.push(s.tests("./connector/host/hosttest/pretend", "e2e"), "/run/pretend.test")
	n.sh("tar -C /run -xf /run/testdata.tar")
	out, err := n.long(fmt.Sprintf("cd /run && FUXI_PRETEND_CONNECTION=%s FUXI_PRETEND_SILENT=10.77.0.250 CI=true ./pretend.test -test.timeout=20m -test.v -test.run='^TestRecordingsAgainstALabNode$'", r.file))
	if err != nil {
		s.t.Errorf("%v\n%s", err, out)
	}
	n.sh("for s in iscsid multipathd; do /lab/unit $s restart; done")
}

// long runs a command that may take many minutes.
func (n *node) long(args ...string) (string, error) {
	return n.lab.run(20*time.Minute, append([]string{"exec", n.name}, args...)...)
}

// tests builds the tests of a package as a program.
func (s *scene) tests(pkg, tag string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), filepath.Base(pkg)+".test")
	cmd := exec.Command("go", "test", "-c", "-trimpath", "-tags", tag, "-o", path, pkg)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return path
}

// realCluster: the conformance suite of connectors on a Docker host, with an
// image of a Ceph cluster.
func realCluster(s *scene) {
	n := s.nodes[0]
	r := s.newRawOn(n, "image", s.on, false)
	const given = "/run/connection.json"
	n.write(given, `{"volume_id": "`+r.id+`", "size": 1, "info": `+n.sh("cat", r.file)+`}`, 0o600)
	s.conforms(n, "./connector/rbd", "TestConformanceOnARealCluster", "FUXI_RBD_CONNECTION="+given)
}

// realServer: that of shares, with one that the kernel of the storage machine
// serves.
func realServer(s *scene) {
	n := s.nodes[0]
	s.conforms(n, "./connector/nfs", "TestConformanceOnARealServer", "FUXI_NFS_EXPORT="+s.letIn(n, "share"))
}

// configDrive: an ISO image that says which server this is, on a kernel that can
// mount one, which many kernels outside of clouds cannot.
func configDrive(s *scene) {
	n := s.nodes[0]
	n.sh("modprobe -a isofs fuse loop")
	s.conforms(n, "./connector/host", "TestConfigDrive", "LC_ALL=C")
}

// conforms runs one test of a connector on a host.
func (s *scene) conforms(n *node, pkg, test, subject string) {
	s.t.Helper()
	n.push(s.tests(pkg, "lab"), "/run/connector.test")
	out, err := n.long("env", subject, "CI=true", "/run/connector.test", "-test.timeout=20m", "-test.v", "-test.run=^"+test+"$")
	if err != nil || !strings.Contains(out, "--- PASS: "+test) {
		s.t.Errorf("%v\n%s", err, out)
	}
}
