package openstack

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBreakerOpensAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		b.failed("1")
		b.failed("2")
		if b.open() {
			t.Fatal("open after two")
		}
		for range 64 { // calls that fail together count once for the pause
			b.failed("3")
		}
		if !b.open() || b.pause != firstPause {
			t.Fatalf("open %v, pause %v", b.open(), b.pause)
		}
		last := time.Duration(0)
		for range 8 {
			start := time.Now()
			for b.open() {
				time.Sleep(10 * time.Millisecond)
			}
			waited := time.Since(start)
			if b.open() == false {
				t.Fatal("two callers were let pass")
			}
			if waited < last/2 || waited > longPause*5/4+time.Second {
				t.Fatalf("paused %v after %v", waited, last)
			}
			last = waited
			b.failed("probe")
		}
		if last < longPause/2 {
			t.Errorf("the pause grew to %v only", last)
		}
		b.answered()
		if h := b.snapshot(); b.open() || h.Failures != 0 || h.LastError != "probe" || !h.LastAnswer.Equal(time.Now()) {
			t.Errorf("%+v", h)
		}
	})
}

func TestHealthOfACloud(t *testing.T) {
	var status atomic.Int32
	s := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		if code := int(status.Load()); code != 0 {
			fault(w, code, "computeFault", "ill")
		}
	}).session()
	status.Store(503)
	for range openAfter {
		if s.Open() {
			t.Fatal("open too early")
		}
		_ = get(t.Context(), s)
	}
	if h := s.Health(); !s.Open() || h.Failures != openAfter || !h.LastAnswer.IsZero() || h.LastError == "" {
		t.Errorf("%+v", h)
	}
	status.Store(404)
	if _ = get(t.Context(), s); s.Open() || s.Health().Failures != 0 {
		t.Errorf("a refusal is an answer: %+v", s.Health())
	}
	status.Store(500)
	for range openAfter {
		_ = post(t.Context(), s)
	}
	if s.Open() {
		t.Error("one object's driver trouble closed the whole cloud")
	}
}
