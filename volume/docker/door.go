// Package docker is fuxi's front door for Docker: it speaks the volume plugin
// protocol on a unix socket and hands every call to a Service. It decides
// nothing about volumes. What it does know is how dockerd reacts to an answer,
// and above all to a wrong one: dockerd takes nearly every error from Get for
// "this volume is gone" and deletes its own record of it.
package docker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/go-plugins-helpers/sdk"

	"github.com/openstack/fuxi/volume"
)

// Docker gives Create and Mount 120 s and every other call 60 s, and forgets a
// call that took longer. An answer is therefore due ten seconds earlier.
const (
	longBudget  = 110 * time.Second
	shortBudget = 50 * time.Second
)

const (
	defaultDrain      = 20 * time.Second
	undoGrace         = 2 * time.Second
	readHeaderTimeout = 10 * time.Second
	// writeTimeout runs from the request's arrival, so it covers the work too.
	writeTimeout = longBudget + shortBudget
	// idleTimeout is long because closing an idle connection in the moment
	// dockerd reuses it costs dockerd an operation: it repeats the request with
	// an empty body, on which nobody may act.
	idleTimeout = time.Hour
)

// Service does what Docker asks for. Every method honours its context, and
// every error is meant for the user's eyes; its kind decides the answer.
type Service interface {
	Create(ctx context.Context, name string, raw map[string]string) error
	Remove(ctx context.Context, name string) error
	Mount(ctx context.Context, req volume.MountRequest) (path string, err error)
	Unmount(ctx context.Context, name, user string) error
	Get(ctx context.Context, name string) (volume.Info, error)
	List(ctx context.Context) (iter.Seq[volume.Listed], error)
	Path(ctx context.Context, name string) (string, error)
}

// Options tune a Door. The zero value is what a host needs.
type Options struct {
	// Log gets one line for each call. Nil means slog.Default().
	Log *slog.Logger
	// Drain is how long Serve waits for running calls when it stops: 20 s if
	// zero.
	Drain time.Duration
	// Scope is what Capabilities answers: "global" if empty, since a volume
	// made on one host is seen by all.
	Scope string
}

// Door answers Docker's volume plugin calls. It is an http.Handler and safe
// for concurrent use.
type Door struct {
	service Service
	log     *slog.Logger
	drain   time.Duration
	caps    []byte
	mux     http.Handler
	buffers sync.Pool // of *[]byte, for answers
	running atomic.Int64
}

// New returns a Door that hands every call to service.
func New(service Service, opts Options) *Door {
	d := &Door{service: service, log: opts.Log, drain: opts.Drain, caps: capabilities(opts.Scope)}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.drain <= 0 {
		d.drain = defaultDrain
	}
	d.buffers.New = func() any { return new([]byte) }
	h := sdk.NewHandler(`{"Implements":["VolumeDriver"]}`)
	for _, v := range d.verbs() {
		h.HandleFunc("/VolumeDriver."+v.name, d.handler(v))
	}
	d.mux = muxOf(h)
	return d
}

// ServeHTTP answers one call.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

// Serve answers calls on l until ctx ends, and closes l. It then takes no new
// call, lets the running ones finish for at most the drain time, and cuts off
// the rest: an error tells how many. The values of ctx, but not its end, reach
// every call.
func (d *Door) Serve(ctx context.Context, l net.Listener) error {
	detached := context.WithoutCancel(ctx)
	server := &http.Server{
		Handler:           d,
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return detached },
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving Docker on %s: %w", l.Addr(), err), server.Close())
	case <-ctx.Done():
	}
	return d.stop(detached, server)
}

func (d *Door) stop(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, d.drain)
	defer cancel()
	err := server.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	cut := d.running.Load()
	// Closing the connections cancels the calls' contexts. A Mount among them
	// takes its own reference back, for which it needs a moment.
	err = server.Close()
	for deadline := time.Now().Add(undoGrace); d.running.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("stopping: %d calls from Docker still ran after %s and were cut off", cut, d.drain), err)
}
