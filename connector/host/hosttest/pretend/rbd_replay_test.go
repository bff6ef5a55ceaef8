package pretend_test

import (
	"encoding/base64"
	"os"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

// TestRecordingRBD plays the recording of a real kernel and cluster on the
// pretend ones: the answers are the same.
func TestRecordingRBD(t *testing.T) {
	m := pretend.New(t)
	const key = "\x01\x00a-key-of-28-bytes-for-tests"
	w := &rbdWorld{h: m.Host, monitor: "192.0.2.1:6789", pool: "volumes", user: "cinder", fsid: "0ab7c3a4-6a3b-4d53-9d5a-2f7f1c1bfa00",
		key: []byte(key), t: t}
	kernel := m.RBD()
	c := kernel.Cluster(w.fsid, w.pool, w.user, key, w.monitor)
	c.Image("volumes/rec", hosttest.GiB, pretend.DefaultRBD)
	c.Image("volumes/rec-journal", hosttest.GiB, pretend.FeatureLayers|1<<2|pretend.FeatureJournal)
	c.Image("volumes/rec-plain", hosttest.GiB, pretend.FeatureLayers)
	if err := os.MkdirAll(m.Host.Path("/etc/ceph"), 0o755); err != nil {
		t.Fatal(err)
	}
	keyring := "[client.cinder]\nkey = " + base64.StdEncoding.EncodeToString([]byte(key)) + "\n"
	if err := os.WriteFile(m.Host.Path("/etc/ceph/ceph.client.cinder.keyring"), []byte(keyring), 0o600); err != nil {
		t.Fatal(err)
	}
	compareRBD(t, w.play())
	if left := kernel.Leftovers(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
