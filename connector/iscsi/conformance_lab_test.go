//go:build lab

// The conformance suite against a real target. It needs a host with iscsid (and
// multipathd), and a unit that is exported to it and not connected.
//
//	FUXI_ISCSI_CONNECTION   file with {"size": GiB, "volume_id": …, "info": the cloud's connection_info}
//	FUXI_ISCSI_MULTIPATH    off (default), auto or require
package iscsi_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/iscsi"
	"github.com/openstack/fuxi/trace"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

func TestConformanceOnARealTarget(t *testing.T) { connectortest.Run(t, subject) }

// labConnection reads the connection under test.
func labConnection(t *testing.T) connector.Connection {
	t.Helper()
	file := os.Getenv("FUXI_ISCSI_CONNECTION")
	if file == "" {
		hosttest.Skip(t, "needs a real target: FUXI_ISCSI_CONNECTION names no file")
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
	conn := connector.Connection{Driver: iscsi.Driver, VolumeID: given.VolumeID, SizeGiB: given.Size, Access: connector.ReadWrite,
		Data: map[string]any{}, Secret: map[string]any{}}
	for key, value := range given.Info {
		switch {
		case strings.Contains(key, "password"):
			conn.Secret[key] = value
		case strings.HasPrefix(key, "target_") && key != "target_discovered", strings.HasPrefix(key, "auth_"):
			conn.Data[key] = value
		}
	}
	return conn
}

func labMode() string {
	if mode := os.Getenv("FUXI_ISCSI_MULTIPATH"); mode != "" {
		return mode
	}
	return iscsi.Off
}

func subject(t *testing.T) connectortest.Subject {
	hosttest.NeedRoot(t)
	conn := labConnection(t)
	h := host.New()
	c := iscsi.New(h, iscsi.Options{Multipath: labMode(), Notice: func(_ context.Context, text string) { t.Log("notice:", text) }})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Disconnect(ctx, conn); err != nil {
			t.Error(err)
		}
		_ = c.Close(ctx)
	})
	return connectortest.Subject{Connector: c, Connection: conn, Leftovers: func() []string { return leftovers(h) }}
}

// leftovers lists everything of iSCSI and multipath on this host: a lab host has
// nothing else.
func leftovers(h *host.Host) []string {
	var left []string
	for _, pattern := range []string{"/sys/class/iscsi_session/*", "/sys/class/scsi_device/*", "/dev/sd*", "/run/fuxi/fuxi-iscsi-*",
		"/var/lib/iscsi/nodes/*", "/etc/iscsi/nodes/*", "/var/lib/iscsi/.fuxi-*", "/sys/block/dm-*"} {
		found, _ := filepath.Glob(h.Path(pattern))
		left = append(left, found...)
	}
	return left
}

func TestTimesOnARealTarget(t *testing.T) {
	s := subject(t)
	for range 5 {
		timed(t, "connect", func(ctx context.Context) error {
			src, err := s.Connector.Connect(ctx, s.Connection)
			t.Logf("%+v", src)
			return err
		})
		timed(t, "find", func(ctx context.Context) error { _, err := s.Connector.Find(ctx, s.Connection); return err })
		timed(t, "again", func(ctx context.Context) error { _, err := s.Connector.Connect(ctx, s.Connection); return err })
		time.Sleep(3 * time.Second)
		timed(t, "disconnect", func(ctx context.Context) error { return s.Connector.Disconnect(ctx, s.Connection) })
	}
}

// timed logs how long an act took and what it did to the host.
func timed(t *testing.T, name string, act func(context.Context) error) {
	t.Helper()
	steps := trace.NewSteps()
	begin := time.Now()
	err := act(trace.WithRecorder(hosttest.Context(t), steps))
	t.Logf("%s: %s, %v", name, time.Since(begin).Round(time.Millisecond), err)
	for _, s := range steps.All() {
		t.Logf("   %8s +%-8s %s %s", s.Begin.Round(time.Millisecond), s.Took.Round(time.Millisecond), s.Kind, s.What)
	}
	if err != nil {
		t.Fail()
	}
}
