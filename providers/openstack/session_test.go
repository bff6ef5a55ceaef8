package openstack

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openstack/fuxi/trace"
	"github.com/openstack/fuxi/volume"
)

func TestKindOfEachStatus(t *testing.T) {
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html><h1>404 Not Found</h1>nginx</html>"))
		}
	}
	plain := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = w.Write([]byte(`{"message": "The resource could not be found.", "code": "404 Not Found", "title": "Not Found"}`))
	}
	said := func(status int, name, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fault(w, status, name, message) }
	}
	redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }
	for _, c := range []struct {
		name      string
		answer    http.HandlerFunc
		kind      error
		ambiguous bool // of a POST
		text      string
	}{
		{"gone", said(404, "itemNotFound", "Volume 1 could not be found."), volume.ErrNotFound, false, "Volume 1 could not be found."},
		{"proxy's 404", html(404), volume.ErrUnavailable, false, "not the service's own"},
		{"gateway's 404", said(404, "error", "no route"), volume.ErrUnavailable, false, "not the service's own"},
		{"unknown URL", plain, volume.ErrUnavailable, false, "not the service's own"},
		{"bad", said(400, "badRequest", "Invalid volume: no."), volume.ErrInvalid, false, "400 badRequest: Invalid volume: no. (request req-test)"},
		{"policy", said(403, "forbidden", "Policy doesn't allow it."), volume.ErrInvalid, false, "role"},
		{"quota", said(413, "overLimit", "VolumeLimitExceeded"), volume.ErrUnavailable, false, "quota"},
		{"quota as 403", said(403, "forbidden", "Quota exceeded for gigabytes"), volume.ErrUnavailable, false, "larger quota"},
		{"conflict", said(409, "conflictingRequest", "busy"), volume.ErrConflict, false, "busy"},
		{"too old", said(406, "computeFault", "Version 3.99 is not supported by the API. Minimum is 3.0 and maximum is 3.71."), volume.ErrInvalid, false, "maximum is 3.71"},
		{"unauthorised for ever", said(401, "unauthorized", "no"), volume.ErrUnavailable, false, "just issued"},
		{"driver", said(500, "computeFault", "Unable to update attachment."), volume.ErrUnavailable, true, "Unable to update attachment"},
		{"beyond the service", said(501, "notImplemented", "no"), volume.ErrUnavailable, false, "501"},
		{"bad gateway", html(502), volume.ErrUnavailable, true, "502 Bad Gateway"},
		{"unavailable", said(503, "serviceUnavailable", "later"), volume.ErrUnavailable, true, "later"},
		{"redirect", redirect, volume.ErrUnavailable, false, "redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newFake(t, c.answer).session()
			for _, err := range []error{get(t.Context(), s), post(t.Context(), s)} {
				if volume.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
					t.Errorf("kind %v, text %q; want %v with %q", volume.KindOf(err), err, c.kind, c.text)
				}
				if !strings.HasPrefix(err.Error(), `asking cinder of cloud "sim" to `) {
					t.Errorf("the text does not say what was tried: %q", err)
				}
			}
			if err := post(t.Context(), s); volume.IsAmbiguous(err) != c.ambiguous {
				t.Errorf("ambiguous is %v: %v", volume.IsAmbiguous(err), err)
			}
			if err := get(t.Context(), s); volume.IsAmbiguous(err) {
				t.Errorf("a read is ambiguous: %v", err)
			}
		})
	}
}

func TestMissingFeatureIsNamed(t *testing.T) {
	s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		fault(w, 406, "computeFault", "Version "+r.Header.Get("OpenStack-API-Version")+" is not supported")
	}).session()
	var missing *MissingFeature
	if err := get(t.Context(), s); !errors.As(err, &missing) || missing.Microversion != "3.44" || !strings.Contains(missing.Says, "volume 3.44") {
		t.Errorf("%v", err)
	}
}

func TestLostReplies(t *testing.T) {
	var arrived atomic.Int32
	drop := func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.Close()
	}
	half := func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"volume": `))
	}
	nonsense := func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		_, _ = w.Write([]byte("<html>welcome</html>"))
	}
	for name, answer := range map[string]http.HandlerFunc{"dropped": drop, "half": half, "nonsense": nonsense} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, answer).session()
			arrived.Store(0)
			var into map[string]any
			err := s.Do(t.Context(), Call{Service: BlockStorage, Method: "POST", Path: "volumes", Doing: "create volume x"}, &into)
			if !volume.IsAmbiguous(err) || !errors.Is(err, volume.ErrUnavailable) {
				t.Errorf("not ambiguous: %v", err)
			}
			if arrived.Load() != 1 {
				t.Errorf("the POST was sent %d times", arrived.Load())
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	f := newFake(t, func(http.ResponseWriter, *http.Request) {})
	s := f.session()
	if err := get(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s.transport.inner.Load().CloseIdleConnections()
	err := post(t.Context(), s)
	if !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) {
		t.Errorf("a request that never left: %v", err)
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		sent   int32
	}{
		{"GET", 503, 4}, {"DELETE", 502, 4}, {"PUT", 504, 4}, {"POST", 503, 1}, {"GET", 500, 1}, {"GET", 404, 1},
	} {
		t.Run(c.method+http.StatusText(c.status), func(t *testing.T) {
			var sent atomic.Int32
			s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				sent.Add(1)
				fault(w, c.status, "computeFault", "no")
			}).session()
			_ = s.Do(t.Context(), Call{Service: BlockStorage, Method: c.method, Path: "volumes/1", Doing: "try"}, nil)
			if sent.Load() != c.sent {
				t.Errorf("sent %d times, want %d", sent.Load(), c.sent)
			}
		})
	}
}

func TestRateLimitIsObeyed(t *testing.T) {
	for name, status := range map[string]int{"429": 429, "413": 413} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int32
			s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				if sent.Add(1) == 1 {
					w.Header().Set("Retry-After", "1")
					fault(w, status, "overLimit", "slow down")
				}
			}).session()
			start := time.Now()
			if err := post(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < time.Second || took > 20*time.Second {
				t.Errorf("waited %v, want one second", took)
			}
			sent.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start = time.Now()
			if err := post(ctx, s); !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) || time.Since(start) > time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		})
	}
}

func TestQuotaIsNotWaitedFor(t *testing.T) {
	var sent atomic.Int32
	s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		w.Header().Set("Retry-After", "0")
		fault(w, 413, "overLimit", "VolumeSizeExceedsAvailableQuota")
	}).session()
	if err := post(t.Context(), s); !errors.Is(err, volume.ErrUnavailable) || sent.Load() != 1 {
		t.Errorf("sent %d times: %v", sent.Load(), err)
	}
}

// A change that was sent is seen through even when its caller leaves.
func TestChangesOutliveTheirCaller(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		leave()
		time.Sleep(100 * time.Millisecond)
		if r.Context().Err() == nil {
			_, _ = w.Write([]byte(`{"id": "known"}`))
		}
	}).session()
	var answer struct{ ID string }
	err := s.Do(ctx, Call{Service: BlockStorage, Method: "POST", Path: "volumes", Doing: "create"}, &answer)
	if err != nil || answer.ID != "known" {
		t.Errorf("%v, %+v", err, answer)
	}
	if err := post(ctx, s); !errors.Is(err, context.Canceled) || volume.IsAmbiguous(err) {
		t.Errorf("a caller that was gone before: %v", err)
	}
}

func TestOwnDeadlineOfAChange(t *testing.T) {
	s := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that we leave
		<-r.Context().Done()
	}).configured(Config{Timeout: 100 * time.Millisecond})
	err := post(t.Context(), s)
	if !volume.IsAmbiguous(err) || !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

type recorder struct {
	mu   sync.Mutex
	what []string
	done int
}

func (r *recorder) Cross(kind trace.Kind, what string) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.what = append(r.what, string(kind)+" "+what)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done++
	}
}

func TestTraceCountsRequests(t *testing.T) {
	s := newFake(t, func(http.ResponseWriter, *http.Request) {}).session()
	var r recorder
	ctx := trace.WithRecorder(t.Context(), &r)
	for _, path := range []string{"volumes/8f6b3a50-1d2c-4e5f-9a0b-112233445566/metadata", "attachments/8f6b3a501d2c4e5f9a0b112233445566", "volumes/detail"} {
		if err := s.Do(ctx, Call{Service: BlockStorage, Method: "GET", Path: path, Doing: "look"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"cloud POST /v3/auth/tokens", "cloud GET /volume/v3/{project}/volumes/{id}/metadata",
		"cloud GET /volume/v3/{project}/attachments/{id}", "cloud GET /volume/v3/{project}/volumes/detail",
	}
	if strings.Join(r.what, "\n") != strings.Join(want, "\n") || r.done != len(want) {
		t.Errorf("%d done of\n%s", r.done, strings.Join(r.what, "\n"))
	}
}

func TestAnswerTooLong(t *testing.T) {
	s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 66 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}).session()
	if err := get(t.Context(), s); !errors.Is(err, errTooLong) || !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
