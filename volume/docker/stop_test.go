package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openstack/fuxi/volume"
)

// pipes is a network inside a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case p.conns <- theirs:
			return ours, nil
		case <-p.done:
			return nil, net.ErrClosed
		}
	}}}
}

// Stopping lets a running call end, for at most the drain time.
func TestStop(t *testing.T) {
	for _, tc := range []struct {
		work, drain time.Duration
		want        string
	}{
		{work: 5 * time.Second},
		{work: 19 * time.Second},
		{work: 30 * time.Second, want: "1 calls from Docker still ran after 20s"},
		{work: 5 * time.Second, drain: time.Second, want: "1 calls from Docker still ran after 1s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{mount: func(ctx context.Context, _ volume.MountRequest) (string, error) {
				select {
				case <-time.After(tc.work):
					return "/mnt/a", nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			}}
			l := newPipes()
			ctx, stop := context.WithCancel(t.Context())
			answered := make(chan error, 1)
			go func() {
				_, _, err := post(l.client(), "VolumeDriver.Mount", `{"Name":"a","ID":"i"}`)
				answered <- err
			}()
			go func() {
				time.Sleep(100 * time.Millisecond)
				stop()
			}()
			err := New(f, Options{Drain: tc.drain, Log: new(logged).logger()}).Serve(ctx, l)
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Serve: %v, want %q", err, tc.want)
			}
			if err := <-answered; (err != nil) != (tc.want != "") {
				t.Errorf("the caller got %v", err)
			}
		})
	}
}

// A restart within a few seconds must look to Docker like a failed dial, which
// it repeats with the body intact: so the socket goes before the drain.
func TestStopRemovesTheSocketFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fuxi.sock")
	l, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	started, finish := make(chan struct{}), make(chan struct{})
	f := &fake{unmount: func(context.Context, string, string) error {
		close(started)
		<-finish
		return nil
	}}
	ctx, stop := context.WithCancel(t.Context())
	served, answered := make(chan error, 1), make(chan error, 1)
	go func() { served <- New(f, Options{Log: new(logged).logger()}).Serve(ctx, l) }()
	go func() {
		_, _, err := post(client(path), "VolumeDriver.Unmount", `{"Name":"a","ID":"i"}`)
		answered <- err
	}()
	<-started
	stop()
	eventually(t, "the socket removed", func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
	close(finish)
	if err := errors.Join(<-answered, <-served); err != nil {
		t.Error(err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	l := newPipes()
	l.Close()
	err := New(&fake{}, Options{Log: new(logged).logger()}).Serve(t.Context(), brokenListener{l})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "pipes") {
		t.Error(err)
	}
}

type brokenListener struct{ *pipes }

func (brokenListener) Accept() (net.Conn, error) { return nil, io.ErrUnexpectedEOF }
func (brokenListener) Close() error              { return nil }

// What Serve's context carries reaches every call; its end does not.
func TestContextValuesReachTheService(t *testing.T) {
	type key struct{}
	got := make(chan any, 1)
	f := &fake{mount: func(ctx context.Context, _ volume.MountRequest) (string, error) {
		got <- ctx.Value(key{})
		return "", nil
	}}
	l := newPipes()
	ctx, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
	served := make(chan error, 1)
	go func() { served <- New(f, Options{Log: new(logged).logger()}).Serve(ctx, l) }()
	if _, _, err := post(l.client(), "VolumeDriver.Mount", `{"Name":"a"}`); err != nil {
		t.Error(err)
	}
	if v := <-got; v != "v" {
		t.Errorf("the call's context carries %v", v)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
