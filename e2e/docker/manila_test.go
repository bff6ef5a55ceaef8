package docker

import (
	"strings"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
)

// TestShare is a share's life as Docker's users live it, beside volumes of the
// same names' cluster. Promises F8, E5 and E6.
func TestShare(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{plugin: []string{`providers = ["cinder", "manila"]`}})
	s.docker(t, "volume", "create", "--driver", "fuxi", "--name", "my_share", "--opt", "volume_provider=manila")
	s.up(t, "publisher", "my_share")
	s.up(t, "web", "my_share")
	s.docker(t, "exec", "publisher", "sh", "-c", "echo hello >/vol/index.html")
	if got := s.docker(t, "exec", "web", "cat", "/vol/index.html"); got != "hello" {
		t.Errorf("the other container reads %q", got)
	}
	if n := len(s.mounts("my_share")); n != 1 {
		t.Errorf("%d mounts for containers", n)
	}
	s.fuxi.Kill9()
	s.docker(t, "exec", "publisher", "sh", "-c", "echo again >/vol/index.html")
	s.fuxi.Start()
	if n := s.held(t, "my_share"); n != 2 {
		t.Errorf("%d users after fuxi was killed", n)
	}
	s.docker(t, "rm", "-f", "publisher")
	if got := s.docker(t, "exec", "web", "cat", "/vol/index.html"); got != "again" {
		t.Errorf("after the other container is gone: %q", got)
	}
	s.refused(t, "volume is in use", "volume", "rm", "my_share")
	s.docker(t, "rm", "-f", "web")
	if got := s.run(t, "my_share", "cat /vol/index.html"); got != "again" {
		t.Errorf("a new container reads %q", got)
	}
	shareRefusals(t, s)
	s.docker(t, "volume", "rm", "my_share")
	rig.Eventually(t, patience, func() string {
		if left := s.cloud.Shares("my_share"); len(left) > 0 {
			return "the share is still in the cloud"
		}
		return ""
	})
}

// shareRefusals: what is for volumes is refused for shares and the other way
// round, and one name is one name. Promise D6.
func shareRefusals(t *testing.T, s *site) {
	t.Helper()
	for option, text := range map[string]string{
		"fstype=xfs":         "is for volume_provider=cinder",
		"volume_type=fast":   `did you mean share_type?`,
		"multiattach=true":   "every share is for many hosts",
		"mount_options=soft": "loses data",
		"share_proto=CIFS":   "NFS or CEPHFS",
	} {
		s.refused(t, text, "volume", "create", "-d", "fuxi", "-o", "volume_provider=manila", "-o", option, "badly")
	}
	s.docker(t, "volume", "create", "-d", "fuxi", "db")
	if left := s.cloud.Shares("badly"); len(left) > 0 {
		t.Errorf("made in spite of the refusal: %+v", left)
	}
	out := s.docker(t, "volume", "ls", "--format", "{{.Name}}")
	if !strings.Contains("\n"+out+"\n", "\nmy_share\n") || !strings.Contains("\n"+out+"\n", "\ndb\n") {
		t.Errorf("docker volume ls shows %q", out)
	}
	s.docker(t, "volume", "rm", "db")
}
