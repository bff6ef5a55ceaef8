package openstack

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, start := 0, time.Now()
		err := Poll(t.Context(), States(), func(context.Context) (bool, error) {
			asked++
			return time.Since(start) > time.Minute, nil
		})
		if err != nil || asked < 30 || asked > 60 {
			t.Errorf("asked %d times: %v", asked, err)
		}
		own := errors.New("own")
		if err := Poll(t.Context(), States(), func(context.Context) (bool, error) { return false, own }); err != own {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Poll(ctx, States(), func(context.Context) (bool, error) { return false, nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestDetachedKeepsValues(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
	cancel()
	ctx, done := Detached(parent, time.Minute)
	defer done()
	if _, bounded := ctx.Deadline(); ctx.Err() != nil || ctx.Value(key{}) != 1 || !bounded {
		t.Error("not detached")
	}
}
