package openstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/openstack/fuxi/trace"
)

// maxBody bounds one answer: a thousand volumes with full metadata stay below
// a tenth of it.
const maxBody = 64 << 20

// errTooLong is an answer beyond maxBody.
var errTooLong = errors.New("the answer is longer than 64 MiB")

// transport sends requests, one trace crossing each, and returns answers only
// when they are complete: whoever listens to the trace may rely on the effect.
type transport struct {
	inner atomic.Pointer[http.Transport]
	mask  func(path string) string // takes ids out of a path
	log   *slog.Logger
}

// sendError is a request without an answer.
type sendError struct {
	err  error
	sent bool // at least the first byte may have left: the cloud may have acted
}

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	start := time.Now()
	done := trace.Cross(req.Context(), trace.Cloud, req.Method+" "+t.mask(req.URL.Path))
	resp, err := t.exchange(req.WithContext(ctx))
	done()
	t.report(req, resp, err, time.Since(start))
	if err != nil {
		return nil, &sendError{err: err, sent: sent.Load()}
	}
	return resp, nil
}

// exchange sends the request and reads the whole answer.
func (t *transport) exchange(req *http.Request) (*http.Response, error) {
	resp, err := t.inner.Load().RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if resp.ContentLength > 0 && resp.ContentLength <= maxBody {
		body.Grow(int(resp.ContentLength))
	}
	n, err := io.Copy(&body, io.LimitReader(resp.Body, maxBody+1))
	if err == nil && n > maxBody {
		err = errTooLong
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer (%s): %w", resp.Status, err)
	}
	resp.Body = io.NopCloser(&body)
	return resp, nil
}

// report logs one line without headers and bodies, which carry secrets.
func (t *transport) report(req *http.Request, resp *http.Response, err error, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("method", req.Method), slog.String("path", req.URL.Path),
		slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode), slog.String("request_id", requestID(resp.Header)))
	}
	t.log.LogAttrs(req.Context(), slog.LevelDebug, "cloud call", attrs...)
}

// reset makes later requests use new TLS settings; those under way finish.
func (t *transport) reset(cfg Config, c *credentials) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	old := t.inner.Swap(&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       c.tls,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: cfg.Timeout,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		// Web servers drop idle connections after 5 s or more. A POST sent into
		// one that is just closing is lost without a trace of whether it was
		// done, so ours are dropped first.
		IdleConnTimeout: 4 * time.Second,
	})
	if old != nil {
		old.CloseIdleConnections()
	}
}

// httpClient never follows a redirect: net/http turns a redirected POST into
// a GET, and a list of volumes would pass for the answer to a create.
func (t *transport) httpClient() http.Client {
	return http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func requestID(h http.Header) string {
	if id := h.Get("X-Openstack-Request-Id"); id != "" {
		return id
	}
	return h.Get("X-Compute-Request-Id")
}

// Detached returns a context that carries ctx's values but not its end, bounded
// by timeout: for a request that must not be cut off because its caller left,
// or nobody would ever learn the id of what it made.
func Detached(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}
