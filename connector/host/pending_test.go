package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBoundedLeavesAHangingCallBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		hang, undone := make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := h.bounded(ctx, "/t", "mount /t", func() error { <-hang; return nil }, func() { close(undone) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("first call: %v", err)
		}
		// Who comes next waits for it, as long as its own context lasts.
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = h.bounded(short, "/t", "umount2 /t", func() error { t.Error("ran beside the hanging one"); return nil }, nil)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second call: %v", err)
		}
		if err := h.bounded(context.Background(), "/other", "mount /other", func() error { return nil }, nil); err != nil {
			t.Errorf("another target: %v", err)
		}
		close(hang)
		<-undone
		if err := h.bounded(context.Background(), "/t", "mount /t", func() error { return nil }, nil); err != nil {
			t.Errorf("after the first ended: %v", err)
		}
	})
}

func TestBoundedGivesACallItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		ctx, cancel := context.WithCancel(context.Background())
		slow := func() error { cancel(); time.Sleep(callGrace / 2); return nil }
		if err := h.bounded(ctx, "/t", "mount /t", slow, func() { t.Error("undone") }); err != nil {
			t.Errorf("got %v", err)
		}
		if err := h.bounded(ctx, "/t", "mount /t", slow, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("ended context: %v", err)
		}
	})
}
