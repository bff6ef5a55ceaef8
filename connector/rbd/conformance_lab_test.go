//go:build lab

// The conformance suite against a real cluster. It needs a host with the
// kernel's RBD client and a keyring, and an image that nobody has mapped.
//
//	FUXI_RBD_MAPPER       krbd (default) or nbd
//	FUXI_RBD_CONNECTION   file with {"size": GiB, "volume_id": …, "info": the cloud's connection_info}
package rbd_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/rbd"
	"github.com/openstack/fuxi/trace"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

func TestConformanceOnARealCluster(t *testing.T) { connectortest.Run(t, subject) }

// labConnection reads the connection under test.
func labConnection(t testing.TB) connector.Connection {
	t.Helper()
	file := os.Getenv("FUXI_RBD_CONNECTION")
	if file == "" {
		hosttest.Skip(t, "needs a real cluster: FUXI_RBD_CONNECTION names no file")
	}
	var given struct {
		VolumeID string         `json:"volume_id"`
		Size     int            `json:"size"`
		Info     map[string]any `json:"info"`
	}
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &given)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn := connector.Connection{Driver: rbd.Driver, VolumeID: given.VolumeID, SizeGiB: given.Size, Access: connector.ReadWrite,
		Data: map[string]any{}, Secret: map[string]any{}}
	for key, value := range given.Info {
		switch {
		case key == "keyring":
			conn.Secret[key] = value
		case slices.Contains([]string{"name", "hosts", "ports", "cluster_name", "auth_enabled", "auth_username", "discard"}, key):
			conn.Data[key] = value
		}
	}
	return conn
}

// labConnector disconnects a volume at the end of the test.
func labConnector(t testing.TB, conn connector.Connection, options rbd.Options) *rbd.Connector {
	hosttest.NeedRoot(t)
	options.Notice = func(_ context.Context, text string) { t.Log("notice:", text) }
	c := rbd.New(host.New(), options)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Disconnect(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	return c
}

func subject(t *testing.T) connectortest.Subject {
	conn := labConnection(t)
	return connectortest.Subject{Connector: labConnector(t, conn, rbd.Options{Mapper: os.Getenv("FUXI_RBD_MAPPER")}), Connection: conn, Leftovers: leftovers}
}

// leftovers lists everything of RBD on this host: a lab host has nothing else.
func leftovers() []string {
	h := host.New()
	var left []string
	for _, pattern := range []string{"/sys/bus/rbd/devices/*", "/dev/rbd[0-9]*", "/sys/block/rbd*", "/sys/block/nbd*/pid", "/run/fuxi/fuxi-rbd-*"} {
		found, _ := filepath.Glob(h.Path(pattern))
		left = append(left, found...)
	}
	return left
}

func TestTimesOnARealCluster(t *testing.T) {
	s := subject(t)
	for range 5 {
		timed(t, "connect", func(ctx context.Context) error {
			src, err := s.Connector.Connect(ctx, s.Connection)
			t.Logf("%+v", src)
			return err
		})
		timed(t, "find", func(ctx context.Context) error { _, err := s.Connector.Find(ctx, s.Connection); return err })
		timed(t, "again", func(ctx context.Context) error { _, err := s.Connector.Connect(ctx, s.Connection); return err })
		timed(t, "disconnect", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
	}
}

// timed logs how long an act took and what it did to the host.
func timed(t *testing.T, name string, act func(context.Context) error) time.Duration {
	t.Helper()
	steps := trace.NewSteps()
	begin := time.Now()
	err := act(trace.WithRecorder(hosttest.Context(t), steps))
	took := time.Since(begin)
	t.Logf("%s: %s, %v", name, took.Round(time.Millisecond), err)
	for _, s := range steps.All() {
		t.Logf("   %8s +%-8s %s %s", s.Begin.Round(time.Millisecond), s.Took.Round(time.Millisecond), s.Kind, s.What)
	}
	if err != nil {
		t.Fail()
	}
	return took
}
