package docker

import (
	"net"
	"net/http"
	"sync"

	"github.com/docker/go-plugins-helpers/sdk"
)

// muxOf returns the mux inside h. The sdk keeps it to itself, and the server
// it would run has neither timeouts nor a way to stop: calls would be cut off
// in the middle whenever fuxi is restarted. But net/http shows every request
// the server it came through, so one request over a pipe is enough to get the
// mux and put it under a server of our own.
func muxOf(h sdk.Handler) http.Handler {
	found := make(chan http.Handler, 1)
	var once sync.Once
	h.HandleFunc("/fuxi.mux", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		once.Do(func() { found <- r.Context().Value(http.ServerContextKey).(*http.Server).Handler })
	})
	client, server := net.Pipe()
	defer client.Close()
	l := make(pipeListener, 1)
	l <- server
	close(l)
	go func() { _ = h.Serve(l) }()
	if _, err := client.Write([]byte("GET /fuxi.mux HTTP/1.0\r\n\r\n")); err != nil {
		panic(err) // the other end is this process
	}
	return <-found
}

// pipeListener accepts the connections in it, and then no more.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (pipeListener) Close() error   { return nil }
func (pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
