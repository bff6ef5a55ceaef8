package docker

import (
	"context"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestSocket: a fuxi that is not there costs nobody anything. Promise E2.
func TestSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, options{})
	s.docker(t, "volume", "create", "-d", "fuxi", "mine")
	s.docker(t, "volume", "create", "theirs")

	t.Run("E2StaleSocketIsTakenOver", func(t *testing.T) {
		s.fuxi.Kill9()
		if _, err := os.Lstat(s.env.Path(socket)); err != nil {
			t.Fatalf("a killed fuxi leaves its socket, or this test is about nothing: %v", err)
		}
		s.fuxi.Start()
		if got := s.quick(t, "volume", "ls", "-q"); got != "mine\ntheirs" {
			t.Errorf("volume ls shows %q", got)
		}
		s.quick(t, "volume", "inspect", "mine")
	})
	// A dockerd that has used a driver since its start waits 15 s for it in every
	// volume ls, socket or not, and one that remembers volumes of it waits so
	// long at its start. To one that does neither, a driver that left its socket
	// is a driver, and one that left none never was.
	t.Run("E2StopLeavesNoSocket", func(t *testing.T) {
		s.docker(t, "volume", "rm", "mine")
		s.fuxi.Stop()
		if left := filesNamed(t, s.env.Path("/run/docker/plugins"), ""); len(left) != 1 {
			t.Errorf("left is %v", left[1:])
		}
		if err := s.env.RestartDockerd(); err != nil {
			t.Fatal(err)
		}
		if got := s.quick(t, "volume", "ls", "-q"); got != "theirs" {
			t.Errorf("volume ls shows %q", got)
		}
		s.quick(t, "run", "--rm", "--network", "none", "-v", "new:/x", image, "true")
	})
	t.Run("E2BackAgain", func(t *testing.T) {
		s.fuxi.Start()
		s.run(t, "mine", "touch /vol/f")
		if got := s.docker(t, "volume", "ls", "-q", "--filter", "driver=fuxi"); got != "mine" {
			t.Errorf("volume ls shows %q", got)
		}
	})
	t.Run("E2SocketOfSystemd", func(t *testing.T) { socketOfSystemd(t, s) })
}

// When systemd holds the socket, as fuxi's socket unit has it, calls wait in it
// while fuxi is restarted: Docker notices nothing and nothing waits for 15 s.
func socketOfSystemd(t *testing.T, s *site) {
	s.fuxi.Stop()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.env.Path(socket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	s.fuxi.Wrap = func(name string, args ...string) *exec.Cmd {
		const activate = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`
		cmd := s.env.Command(context.Background(), "sh", append([]string{"-c", activate, "systemd", name}, args...)...)
		cmd.ExtraFiles = []*os.File{fd}
		return cmd
	}
	s.fuxi.Start()
	s.up(t, "activated", "mine")
	for what, end := range map[string]func(){"stopped": s.fuxi.Stop, "killed": s.fuxi.Kill9} {
		end()
		ended := make(chan error, 2)
		for _, args := range [][]string{{"volume", "ls"}, {"restart", "activated"}} {
			go func() {
				_, err := s.env.Docker(args...)
				ended <- err
			}()
		}
		time.Sleep(time.Second)
		began := time.Now()
		s.fuxi.Start()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Errorf("while fuxi was %s: %v", what, err)
			}
		}
		if took := time.Since(began); took > 2*atOnce {
			t.Errorf("fuxi was %s, and after its start Docker waited %s", what, took)
		}
	}
	s.docker(t, "rm", "-f", "activated")
	s.detached(t, "mine")
}
