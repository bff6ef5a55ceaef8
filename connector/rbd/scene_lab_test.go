//go:build lab

package rbd_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
)

// labImage makes an image of 1 GiB beside the volume under test, with the
// administrator's key, and returns its connection. It goes with the test.
func labImage(t *testing.T, name string, options ...string) connector.Connection {
	t.Helper()
	conn := labConnection(t)
	pool, _, _ := strings.Cut(conn.Data["name"].(string), "/")
	image := pool + "/fuxi-test-" + name
	remove := func() {
		hosttest.Tool(t, "sh", "-c", "! rbd info "+image+" 2>/dev/null >&2 || rbd rm --no-progress "+image)
	}
	remove()
	hosttest.Tool(t, "rbd", append([]string{"create", "--size", "1G", image}, options...)...)
	t.Cleanup(remove)
	conn.VolumeID = "test-" + name
	conn.Data["name"] = image
	return conn
}

// labUser makes a user of the cluster and returns its key; it goes with the test.
func labUser(t *testing.T, name string, caps ...string) (key string) {
	t.Helper()
	user := "client.fuxi-test-" + name
	hosttest.Tool(t, "ceph", "auth", "rm", user)
	hosttest.Tool(t, "ceph", append([]string{"auth", "get-or-create", user}, caps...)...)
	t.Cleanup(func() { hosttest.Tool(t, "ceph", "auth", "rm", user) })
	return strings.TrimSpace(hosttest.Tool(t, "ceph", "auth", "get-key", user))
}

// as lets a connection come from the cloud with a user's key.
func as(conn connector.Connection, user, key string) connector.Connection {
	data := map[string]any{}
	for k, v := range conn.Data {
		data[k] = v
	}
	data["auth_username"] = user
	conn.Data, conn.Secret = data, map[string]any{"keyring": "[client." + user + "]\n\tkey = " + key + "\n"}
	return conn
}

func labConnect(t *testing.T, c *rbd.Connector, conn connector.Connection) connector.Source {
	t.Helper()
	src, err := c.Connect(hosttest.Context(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// says expects an error of a kind with words in it, and without a secret.
func says(t *testing.T, err, kind error, secret string, words ...string) {
	t.Helper()
	t.Log(err)
	if err == nil {
		t.Errorf("succeeded; want an error with %q", words)
		return
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v; want %v", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v; want it to say %q", err, word)
		}
	}
	if secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the error shows the key: %v", err)
	}
}

func nothing(t *testing.T) {
	t.Helper()
	if left := leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
