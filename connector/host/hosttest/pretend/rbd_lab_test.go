//go:build e2e

package pretend_test

import (
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// TestRecordingRBDAgainstALabNode repeats the recording on a real host with an
// administrator's keyring of a cluster that has a pool "volumes" and a user
// cinder; with FUXI_PRETEND_RECORD=1 it is written anew.
func TestRecordingRBDAgainstALabNode(t *testing.T) {
	for name, features := range map[string]string{"rec": "", "rec-journal": "layering,exclusive-lock,journaling", "rec-plain": "layering"} {
		args := []string{"create", "--size", "1G", "volumes/" + name}
		if features != "" {
			args = append(args, "--image-feature", features)
		}
		hosttest.Tool(t, "rbd", args...)
		t.Cleanup(func() { hosttest.Tool(t, "rbd", "rm", "--no-progress", "volumes/"+name) })
	}
	_, key, err := host.CephKeyOf(hosttest.Tool(t, "ceph", "auth", "get-key", "client.cinder"), "cinder")
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(strings.TrimPrefix(hosttest.Tool(t, "ceph-conf", "--lookup", "mon_host"), ":"), "\n")
	w := &rbdWorld{h: host.New(), monitor: address + ":6789", pool: "volumes", user: "cinder", fsid: strings.TrimSpace(hosttest.Tool(t, "ceph", "fsid")), key: key, t: t}
	compareRBD(t, w.play())
}
