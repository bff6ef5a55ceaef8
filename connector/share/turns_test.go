package share

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits for one volume's turn waits no longer than he wants to, and
// nobody waits for another volume's.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		release, err := turns.take(context.Background(), "hangs")
		if err != nil {
			t.Fatal(err)
		}
		other, err := turns.take(context.Background(), "other")
		if err != nil {
			t.Fatal(err)
		}
		other()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := turns.take(ctx, "hangs"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		got := make(chan func())
		go func() { next, _ := turns.take(context.Background(), "hangs"); got <- next }()
		synctest.Wait()
		release()
		(<-got)()
		if len(turns.volumes) != 0 {
			t.Errorf("%d volumes are remembered", len(turns.volumes))
		}
	})
}

func TestSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent silences
		first := silent.begin("v")
		time.Sleep(time.Minute)
		if silent.begin("v") != first {
			t.Error("a silence that goes on begins anew")
		}
		silent.end("v")
		if silent.begin("v") == first {
			t.Error("a silence that ended goes on")
		}
	})
}
