package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	shutdownGrace = 2 * time.Second
	headerTimeout = 10 * time.Second
)

// Serve answers requests on a listener until ctx ends or the listener fails;
// then it returns nil or the failure. Before the first answer it writes
// clouds.yaml (mode 0600) into the cloud's directory, with the listener's
// address. It does not close the cloud.
func (c *Cloud) Serve(ctx context.Context, l net.Listener) error {
	if err := c.announce(l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: c.handler, ReadHeaderTimeout: headerTimeout}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-c.stopping:
	}
	c.rules.Clear() // lets held requests go
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close()
	}
	<-done
	return nil
}

// URL returns the cloud's authentication address, such as
// http://127.0.0.1:5000/v3, or "" before Serve was called.
func (c *Cloud) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// CloudsFile returns the path of clouds.yaml, which Serve writes. It has the
// clouds sim (a project member), sim-admin, sim-appcred (the member's
// application credential) and sim-other (a member of another project).
func (c *Cloud) CloudsFile() string { return filepath.Join(c.dir, "clouds.yaml") }

func (c *Cloud) announce(addr net.Addr) error {
	host, err := reachable(addr)
	if err != nil {
		return err
	}
	url := "http://" + host + "/v3"
	part := c.CloudsFile() + ".part"
	if err := os.WriteFile(part, []byte(c.cloudsYAML(url)), 0o600); err != nil {
		return fmt.Errorf("write clouds.yaml: %w", err)
	}
	if err := os.Rename(part, c.CloudsFile()); err != nil {
		return fmt.Errorf("write clouds.yaml: %w", err)
	}
	c.mu.Lock()
	c.url = url
	c.mu.Unlock()
	if c.opts.Ready != nil {
		c.opts.Ready(url)
	}
	return nil
}

// reachable turns a listener's address into one a client on this host can use.
func reachable(addr net.Addr) (string, error) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("listen on %s: only TCP addresses can be announced", addr)
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port)), nil
}
