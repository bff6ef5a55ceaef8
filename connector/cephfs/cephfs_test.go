package cephfs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/cephfs"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

// mountsAs returns what the kernel's table must show for an export of the cloud,
// "" when it is refused.
func mountsAs(t *testing.T, export string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc", "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(root, "shares")
	for _, source := range []string{export, strings.Replace(export, "10.0.0.1:6789,", "", 1), strings.TrimSuffix(export, "/")} {
		line := "40 1 0:44 / " + filepath.Join(base, "id") + " rw,nosuid,nodev - ceph " + source + " rw,name=fuxi,secret=<hidden>\n"
		if err := os.WriteFile(filepath.Join(root, "proc", "self", "mountinfo"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		c := cephfs.New(&host.Host{Root: root, Runner: host.Exec{}}, cephfs.Options{Base: base})
		src, err := c.Find(context.Background(), connector.Connection{Driver: cephfs.Driver, VolumeID: "id", Access: connector.ReadWrite,
			Data: map[string]any{"exports": []any{export}, "client": "fuxi"}})
		if err == nil {
			return src.Export
		}
		if errors.Is(err, connector.ErrUnsafe) {
			return ""
		}
	}
	t.Errorf("%s is neither found nor refused", export)
	return ""
}

func TestExports(t *testing.T) {
	for export, want := range map[string]string{
		"10.0.0.1:6789:/volumes/_nogroup/u":                   "10.0.0.1:6789:/volumes/_nogroup/u",
		"10.0.0.1:6789,10.0.0.2:6789:/volumes/u/":             "10.0.0.1:6789,10.0.0.2:6789:/volumes/u",
		"[fd00::1]:6789,[fd00::2]:6789:/volumes/u":            "[fd00::1]:6789,[fd00::2]:6789:/volumes/u",
		"10.0.0.1:6789,10.0.0.1:3300:/volumes/both-protocols": "10.0.0.1:3300:/volumes/both-protocols",
		"10.0.0.1:/volumes/u":                                 "10.0.0.1:/volumes/u",
		"mon.example.org:6789:/volumes/u":                     "mon.example.org:6789:/volumes/u",
		"10.0.0.1:6789:/":                                     "",
		"10.0.0.1:6789:/volumes/..":                           "",
		"10.0.0.1:6789":                                       "",
		":/volumes/u":                                         "",
		"fd00::1:6789:/volumes/u":                             "",
		"10.0.0.1:99999:/volumes/u":                           "",
		"10.0.0.1:6789,,:/volumes/u":                          "",
		"10.0.0.1:6789:/volumes/a b":                          "",
		"a=b:6789:/volumes/u":                                 "",
	} {
		if got := mountsAs(t, export); got != want {
			t.Errorf("%s is mounted as %q, want %q", export, got, want)
		}
	}
}

// What the cloud says goes into the options of a mount: nothing but names may.
func TestOddIdentitiesAreRefused(t *testing.T) {
	c := cephfs.New(host.New(), cephfs.Options{Base: t.TempDir()})
	for _, data := range []map[string]any{
		{"client": "a,secret=b"}, {"client": ""}, {}, {"client": 5.0}, {"client": "a", "fs": "x,y"}, {"client": "a", "fs": 7.0}, {"client": "a", "fs": "a=b"},
	} {
		data["exports"] = []any{"127.0.0.1:1:/volumes/u"}
		conn := connector.Connection{VolumeID: "id", Access: connector.ReadWrite, Data: data, Secret: map[string]any{"access_key": "QUJD"}}
		if src, err := c.Connect(hosttest.Context(t), conn); err == nil {
			t.Errorf("%v: %+v", data, src)
		}
	}
}
