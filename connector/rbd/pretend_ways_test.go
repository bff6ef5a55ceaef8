package rbd_test

import (
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/rbd"
)

// What the kernel is told, word for word.
func TestPretendLines(t *testing.T) {
	image := " volumes volume-" + volumeID + " -"
	opening := " noshare,name=cinder,key=fuxi." + volumeID + ",mount_timeout=20"
	for name, test := range map[string]struct {
		options rbd.Options
		key     string
		value   any
		ro      bool
		want    string
	}{
		"plain":          {rbd.Options{}, "x", nil, false, monitor + opening + ",lock_timeout=60,exclusive" + image},
		"shared":         {rbd.Options{Shared: true}, "x", nil, false, monitor + opening + ",lock_timeout=60" + image},
		"read-only":      {rbd.Options{}, "x", nil, true, monitor + opening + ",ro" + image},
		"no discard":     {rbd.Options{}, "discard", false, false, monitor + opening + ",notrim,lock_timeout=60,exclusive" + image},
		"time limit":     {rbd.Options{OSDRequestTimeout: 45}, "x", nil, false, monitor + opening + ",osd_request_timeout=45,lock_timeout=60,exclusive" + image},
		"new protocol":   {rbd.Options{MSMode: "secure"}, "x", nil, false, "192.0.2.1:3300" + opening + ",ms_mode=secure,lock_timeout=60,exclusive" + image},
		"new port":       {rbd.Options{}, "ports", []any{"3300"}, false, "192.0.2.1:3300" + opening + ",ms_mode=prefer-crc,lock_timeout=60,exclusive" + image},
		"number of port": {rbd.Options{}, "ports", []any{6789.0}, false, monitor + opening + ",lock_timeout=60,exclusive" + image},
		"no port":        {rbd.Options{}, "ports", nil, false, monitor + opening + ",lock_timeout=60,exclusive" + image},
		"namespace": {rbd.Options{}, "name", "volumes/ns/other", false,
			monitor + opening + ",_pool_ns=ns,lock_timeout=60,exclusive volumes other -"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, test.options)
			s.cluster.Image("volumes/ns/other", hosttest.GiB, pretend.DefaultRBD)
			conn := s.with(test.key, test.value)
			if test.ro {
				conn.Access = connector.ReadOnly
			}
			s.connect(t, conn)
			if got := s.line(); got != test.want {
				t.Errorf("the kernel was told\n%s, want\n%s", got, test.want)
			}
			s.disconnect(t, conn)
			s.nothing(t)
		})
	}
}

// The monitors and the key of a cluster's own files, in all their spellings.
func TestPretendConfiguration(t *testing.T) {
	for conf, want := range map[string]string{
		"[global]\nmon host = 192.0.2.1\n":                                                                        "192.0.2.1:6789 ",
		"[global]\nmon_host = 192.0.2.1:6789 192.0.2.2 # two\n":                                                   "192.0.2.1:6789,192.0.2.2:6789 ",
		"[global]\nmon-host=[v2:192.0.2.1:3300/0,v1:192.0.2.1:6789/0],[v2:192.0.2.2:3300/0]\n":                    "192.0.2.1:6789 ",
		"[global]\nmon host = fd00::1,[fd00::2]:6789,192.0.2.1\n":                                                 "[fd00::1]:6789,[fd00::2]:6789,192.0.2.1:6789 ",
		"[global]\nmon host = [v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0],v1:192.0.2.1:6789\n":                      "[fd00::1]:6789,192.0.2.1:6789 ",
		"[global]\nmon host = 192.0.2.9\n[client]\nmon host = 192.0.2.8\n[client.cinder]\nmon host = 192.0.2.1\n": "192.0.2.1:6789 ",
		"[global]\nmon host = v2:192.0.2.1:3300\n":                                                                "192.0.2.1:3300 ",
		"[global]\nmon host = 192.0.2.1\nkeyring = /etc/ceph/none,/etc/ceph/$cluster.$name.other\n":               "192.0.2.1:6789 ",
	} {
		s := newScene(t, rbd.Options{})
		s.file(t, "/etc/ceph/ceph.conf", conf)
		if strings.Contains(conf, "keyring") {
			s.file(t, "/etc/ceph/ceph.client.cinder.keyring", "[client.other]\nkey = "+text("\x01\x00another-key-of-28-bytes!!!!!"))
			s.file(t, "/etc/ceph/ceph.client.cinder.other", "[client.cinder]\nkey = "+text(secret))
		}
		conn := s.with("hosts", nil)
		s.connect(t, conn)
		if !strings.HasPrefix(s.line(), want) {
			t.Errorf("%q: the kernel was told %s", conf, s.line())
		}
		s.disconnect(t, conn)
	}
}

// Two clusters with an image of the same name: each by its own files, none taken
// for the other.
func TestPretendTwoClusters(t *testing.T) {
	s := newScene(t, rbd.Options{})
	const key = "\x01\x00the-key-of-the-other-cluster"
	other := s.kernel.Cluster("1ab7c3a4-6a3b-4d53-9d5a-2f7f1c1bfa01", "volumes", "cinder", key, "192.0.2.51:6789")
	image := other.Image("volumes/volume-"+volumeID, hosttest.GiB, pretend.DefaultRBD)
	s.file(t, "/etc/ceph/second.conf", "[global]\nmon host = 192.0.2.51\n")
	s.file(t, "/etc/ceph/second.client.cinder.keyring", "[client.cinder]\nkey = "+text(key))
	conn := s.with("cluster_name", "second")
	delete(conn.Data, "hosts")
	delete(conn.Data, "ports")
	conn.VolumeID = "another-volume"
	first := s.connect(t, s.conn)
	_, err := s.Connect(hosttest.Context(t), conn)
	expect(t, err, connector.ErrUnsafe, "somebody else") // the same name: the kernel's list cannot tell whose
	s.disconnect(t, s.conn)
	second := s.connect(t, conn)
	if first.Proof["fsid"] != fsid || second.Proof["fsid"] != other.FSID || second.Proof["image_id"] != image.ID {
		t.Errorf("first %v, second %v", first.Proof, second.Proof)
	}
	s.disconnect(t, conn)
	s.nothing(t)
}

// A cluster that asks for no key.
func TestPretendNoKey(t *testing.T) {
	s := newScene(t, rbd.Options{})
	s.cluster.User("admin", pretend.User{})
	conn := s.with("auth_enabled", false)
	delete(conn.Data, "auth_username")
	src := s.connect(t, conn)
	if !strings.Contains(s.line(), " noshare,name=admin,mount_timeout=") {
		t.Errorf("the kernel was told %s", s.line())
	}
	if found, err := s.Find(hosttest.Context(t), conn); err != nil || found.Device != src.Device {
		t.Errorf("%v, %v", found, err)
	}
	s.disconnect(t, conn)
	s.nothing(t)
}
