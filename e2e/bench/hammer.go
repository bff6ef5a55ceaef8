package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
)

// client speaks Docker's protocol on one connection, as cheaply as it can: its
// own time is in every figure.
type client struct {
	conn    net.Conn
	answers *bufio.Reader
}

func dial(socket string) (*client, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, answers: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// ask sends one call and reads the whole answer.
func (c *client) ask(method, body string) error {
	_, err := fmt.Fprintf(c.conn, "POST /VolumeDriver.%s HTTP/1.1\r\nHost: plugin.moby.localhost\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil
}

// known is the name of one of the volumes that the cloud was seeded with.
func known(volumes int) string {
	return fmt.Sprintf(`{"Name":"seed-%06d"}`, 1+rand.IntN(volumes))
}

// hammer sends n Gets, or as many as fit into a time when n is 0.
func hammer(socket string, volumes, n int, limit time.Duration) ([]time.Duration, error) {
	c, err := dial(socket)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	var took []time.Duration
	for begin := time.Now(); n > 0 && len(took) < n || n == 0 && time.Since(begin) < limit; {
		body := known(volumes)
		start := time.Now()
		if err := c.ask("Get", body); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// swarm is several clients at once for a time: all their calls.
func swarm(t rig.T, socket string, volumes, clients int, limit time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			took, err := hammer(socket, volumes, 0, limit)
			if err != nil {
				t.Errorf("get: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wg.Wait()
	return all
}

// bareServer starts this program again as a web server that does nothing but
// answer: what the machine and net/http take of every call.
func bareServer(t rig.T) (socket string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(rig.TempDir(t, "bare"), "bare.sock")
	cmd := exec.Command(self, "bare", socket)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	rig.Eventually(t, 5*time.Second, func() string {
		c, err := dial(socket)
		if err != nil {
			return err.Error()
		}
		c.conn.Close()
		return ""
	})
	return socket
}

func serveBare(socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	answer := make([]byte, 450)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		_, _ = w.Write(answer)
	}))
}
