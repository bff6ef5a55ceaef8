//go:build lab

package rbd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
)

// brick connects and disconnects with OpenStack's own library, in one process,
// without its start and without rootwrap: the best that it can do. It prints the
// seconds of each round.
const brick = `import json, sys, time
from os_brick import privileged
from os_brick.initiator import connector
privileged.default.set_client_mode(False)
from oslo_concurrency import lockutils
lockutils.set_defaults("/run/lock")
data = json.load(open(sys.argv[1]))
c = connector.InitiatorConnector.factory("RBD", None, do_local_attach=True)
for _ in range(int(sys.argv[2])):
    began = time.monotonic()
    device = c.connect_volume(data)
    took = time.monotonic() - began
    time.sleep(1)
    began = time.monotonic()
    c.disconnect_volume(data, device)
    print("took", took, time.monotonic() - began, flush=True)
`

// TestAgainstBrickOnARealCluster compares with the library in turns: at least
// ten times as fast, both ways.
func TestAgainstBrickOnARealCluster(t *testing.T) {
	conn := labConnection(t)
	hosttest.NeedTools(t, "python3")
	dir := t.TempDir()
	script, file := filepath.Join(dir, "brick.py"), filepath.Join(dir, "connection.json")
	data, _ := json.Marshal(conn.Data)
	if err := os.WriteFile(script, []byte(brick), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := labConnector(t, conn, rbd.Options{})
	var theirs, ours [2][]time.Duration
	for range 3 {
		for line := range strings.Lines(hosttest.Tool(t, "python3", script, file, "3")) {
			var word string
			var there, back float64
			if n, _ := fmt.Sscan(line, &word, &there, &back); n == 3 && word == "took" {
				theirs[0] = append(theirs[0], time.Duration(there*float64(time.Second)))
				theirs[1] = append(theirs[1], time.Duration(back*float64(time.Second)))
			}
		}
		for range 3 {
			there, back := round(t, c, conn)
			ours[0], ours[1] = append(ours[0], there), append(ours[1], back)
		}
	}
	for i, what := range []string{"connect", "disconnect"} {
		their, our := median(theirs[i]), median(ours[i])
		ratio := their.Seconds() / our.Seconds()
		t.Logf("%s: os-brick %s, fuxi %s: %.1f times as fast (medians of %d; fuxi %v)", what, their.Round(time.Millisecond), our.Round(time.Millisecond), ratio, len(ours[i]), ours[i])
		if ratio < 10 {
			t.Errorf("%s: %.1f times as fast as os-brick, want 10", what, ratio)
		}
	}
}

func round(t *testing.T, c *rbd.Connector, conn connector.Connection) (there, back time.Duration) {
	t.Helper()
	begin := time.Now()
	if _, err := c.Connect(hosttest.Context(t), conn); err != nil {
		t.Fatal(err)
	}
	there = time.Since(begin)
	time.Sleep(time.Second) // udev looks at the new device meanwhile, for both
	begin = time.Now()
	if err := c.Disconnect(context.Background(), conn); err != nil {
		t.Fatal(err)
	}
	return there, time.Since(begin)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
