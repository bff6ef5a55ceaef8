package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openstack/fuxi/volume"
)

// hangUp sends one call and closes the connection once started is closed.
func hangUp(t *testing.T, path, method string, started <-chan struct{}) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"Name":"a","ID":"i"}`
	fmt.Fprintf(conn, "POST /VolumeDriver.%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
	<-started
	conn.Close()
}

// A call's context ends with its caller, and nothing else is done twice.
func TestCallerLeaves(t *testing.T) {
	for _, method := range []string{"Create", "Mount", "Unmount"} {
		t.Run(method, func(t *testing.T) {
			started, ended := make(chan struct{}), make(chan struct{})
			wait := func(ctx context.Context) error {
				close(started)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}
			f := &fake{
				create:  func(ctx context.Context, _ string, _ map[string]string) error { return wait(ctx) },
				mount:   func(ctx context.Context, _ volume.MountRequest) (string, error) { return "", wait(ctx) },
				unmount: func(ctx context.Context, _, _ string) error { return wait(ctx) },
			}
			hangUp(t, open(t, f, Options{}), method, started)
			<-ended
			if got := f.seen(); len(got) != 1 {
				t.Errorf("the service saw %v", got)
			}
		})
	}
}

// E3: Docker sends no Unmount for a Mount that it gave up.
func TestMountNobodyWaitsForIsUndone(t *testing.T) {
	for name, undo := range map[string]error{"undone=true": nil, "undo_failed=no": errors.New("no")} {
		var log logged
		started := make(chan struct{})
		f := &fake{
			mount: func(ctx context.Context, _ volume.MountRequest) (string, error) {
				close(started)
				<-ctx.Done() // and succeeds all the same
				return "/mnt/a", nil
			},
			unmount: func(ctx context.Context, _, _ string) error {
				if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
					t.Error("the undo runs under a context without deadline, or ended")
				}
				return undo
			},
		}
		path := open(t, f, Options{Log: log.logger()})
		hangUp(t, path, "Mount", started)
		eventually(t, name, func() bool { return strings.Contains(log.String(), name) })
		if got := f.seen(); !slices.Equal(got, []string{"Mount a i", "Unmount a i"}) {
			t.Errorf("the service saw %v", got)
		}
	}
}

// broken is a connection that breaks when the answer is written.
type broken struct{ discard }

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// buffered takes the answer and breaks when it is sent.
type buffered struct{ discard }

func (buffered) FlushError() error { return io.ErrClosedPipe }

func TestMountWhoseAnswerIsLostIsUndone(t *testing.T) {
	for _, w := range []http.ResponseWriter{broken{}, buffered{}} {
		f := &fake{}
		r, _ := http.NewRequest("POST", "/VolumeDriver.Mount", strings.NewReader(`{"Name":"a","ID":"i"}`))
		New(f, Options{Log: new(logged).logger()}).ServeHTTP(w, r)
		if got := f.seen(); !slices.Equal(got, []string{"Mount a i", "Unmount a i"}) {
			t.Errorf("%T: the service saw %v", w, got)
		}
	}
}

// A caller that hangs up as soon as it has its answer keeps its mount.
func TestMountIsKeptWhenTheCallerHasItsAnswer(t *testing.T) {
	f := &fake{}
	path := open(t, f, Options{})
	for i := range 200 {
		c := client(path)
		c.Transport.(*http.Transport).DisableKeepAlives = true
		if _, _, err := post(c, "VolumeDriver.Mount", `{"Name":"a","ID":"i"}`); err != nil {
			t.Fatal(err)
		}
		if got := f.seen(); len(got) != i+1 {
			t.Fatalf("the service saw %v", got)
		}
	}
}

// E3: Create and Mount have 110 s, the others 50 s, and the error is answered
// before Docker stops listening.
func TestDeadlines(t *testing.T) {
	for method, want := range map[string]time.Duration{
		"Create": 110 * time.Second, "Mount": 110 * time.Second, "Unmount": 50 * time.Second, "Get": 50 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			wait := func(ctx context.Context) error {
				<-ctx.Done()
				return volume.Errorf(volume.ErrUnavailable, "still at work: %w", ctx.Err())
			}
			f := &fake{
				create:  func(ctx context.Context, _ string, _ map[string]string) error { return wait(ctx) },
				mount:   func(ctx context.Context, _ volume.MountRequest) (string, error) { return "", wait(ctx) },
				unmount: func(ctx context.Context, _, _ string) error { return wait(ctx) },
				get:     func(ctx context.Context, _ string) (volume.Info, error) { return volume.Info{}, wait(ctx) },
			}
			l := newPipes()
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- New(f, Options{Log: new(logged).logger()}).Serve(ctx, l) }()
			c := l.client()
			start := time.Now()
			_, reply, err := post(c, "VolumeDriver."+method, `{"Name":"a","ID":"i"}`)
			if took := time.Since(start); took != want {
				t.Errorf("%s ended after %s, want %s", method, took, want)
			}
			if (err != nil) != (method == "Get") || err == nil && errOf(t, reply) != "still at work: context deadline exceeded" {
				t.Errorf("%s: %s %v", method, reply, err)
			}
			c.CloseIdleConnections()
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
