package iscsi_test

import (
	"context"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// A daemon that stops does not wait for a login that hangs any longer than it
// has time; with time it leaves nothing on its way.
func TestPretendCloseIsBounded(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	hang := make(chan struct{})
	s.m.Answer(&pretend.Answer{Match: "-p " + portal2 + " -I default --login", Times: 1, Hang: hang, Also: true})
	s.connect(t, s.conn)
	short, cancel := context.WithTimeout(hosttest.Context(t), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	says(t, s.Close(short), context.DeadlineExceeded, s.conn.VolumeID, "on their way")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Close took %s of 100 ms", took)
	}
	close(hang)
	if err := s.Close(hosttest.Context(t)); err != nil {
		t.Errorf("Close with time enough: %v", err)
	}
	if paths := s.m.PathsOfMaps(); len(paths) != 1 {
		t.Errorf("paths after Close: %v", paths)
	}
	s.disconnect(t, s.conn)
	s.nothing(t)
}
