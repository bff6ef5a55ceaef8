package iscsi_test

import (
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// A volume with a partition table, where udev lets kpartx make maps of its
// partitions: they keep the multipath map busy, and go with it.
func TestPretendPartitions(t *testing.T) {
	t.Parallel()
	s := twoPaths(t)
	src := s.connect(t, s.conn)
	s.bothPaths(t)
	s.m.Partition(src.Device, 2)
	if again := s.connect(t, s.conn); again.Device != src.Device {
		t.Errorf("connected again as %s, it was %s", again.Device, src.Device)
	}
	s.disconnect(t, s.conn)
	s.nothing(t)

	// Somebody who uses one of them keeps all.
	src = s.connect(t, s.conn)
	s.bothPaths(t)
	parts := s.m.Partition(src.Device, 2)
	release := s.hold(t, parts[1])
	says(t, s.Disconnect(hosttest.Context(t), s.conn), connector.ErrBusy, parts[1])
	if found, err := s.Find(hosttest.Context(t), s.conn); err != nil || found.Device != src.Device || len(s.m.PathsOfMaps()) != 2 {
		t.Errorf("a refused Disconnect left %+v, %v, %v", found, err, s.m.Leftovers())
	}
	release()
	s.disconnect(t, s.conn)
	s.nothing(t)
}
