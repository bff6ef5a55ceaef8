package host_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// page is a device identification page with these designators: type and value.
func page(designators ...string) string {
	var body []byte
	for _, d := range designators {
		body = append(append(body, 0x01, d[0], 0, byte(len(d)-1)), d[1:]...)
	}
	return string(append([]byte{0, 0x83, byte(len(body) >> 8), byte(len(body))}, body...))
}

func TestSCSIIdentity(t *testing.T) {
	naa := "\x03\x60\x01\x40\x5a\x68\x06\x49\x8b\x5c\xd4\xf2\x09\x20\xd8\x4c\x37"
	const place = "sys/class/scsi_device/0:0:0:1/device/"
	for name, c := range map[string]struct {
		files   map[string]string
		wwid    string
		serials []string
	}{
		"attribute": {map[string]string{place + "wwid": "naa.6001405a\n"}, "naa.6001405a", []string{"36001405a"}},
		"page alone": {map[string]string{place + "vpd_pg83": page("\x01LIO-ORG x", naa)},
			"naa.6001405a6806498b5cd4f20920d84c37", []string{"36001405a6806498b5cd4f20920d84c37", "1LIO-ORG_x"}},
		"attribute prefers another": {map[string]string{place + "wwid": "t10.LIO-ORG   x\n", place + "vpd_pg83": page("\x01LIO-ORG   x  ", naa)},
			"t10.LIO-ORG   x", []string{"1LIO-ORG_x", "36001405a6806498b5cd4f20920d84c37"}},
		"of the target port": {map[string]string{place + "vpd_pg83": page("\x13\x60\x01")}, "", nil},
		"cut short":          {map[string]string{place + "vpd_pg83": page(naa)[:12]}, "", nil},
		"nothing":            {nil, "", nil},
	} {
		id, err := tree(t, c.files).SCSIIdentity(host.SCSIAddress{LUN: 1})
		if err != nil || id.WWID != c.wwid || !slices.Equal(id.Serials, c.serials) {
			t.Errorf("%s: %+v, %v; want %q, %q", name, id, err, c.wwid, c.serials)
		}
	}
}

func TestISCSISessions(t *testing.T) {
	session := func(id, scsiHost, target, address, state string) map[string]string {
		device := "sys/devices/platform/host" + scsiHost + "/session" + id
		class := device + "/iscsi_session/session" + id
		return map[string]string{
			"sys/class/iscsi_session/session" + id: "-> ../../devices/platform/host" + scsiHost + "/session" + id + "/iscsi_session/session" + id,
			class + "/device":                      "-> ../../../session" + id, class + "/targetname": target + "\n", class + "/state": state + "\n", class + "/target_id": "0\n",
			"sys/class/iscsi_connection/connection" + id + ":0/persistent_address": address + "\n",
			"sys/class/iscsi_connection/connection" + id + ":0/persistent_port":    "3260\n",
			device + "/target" + scsiHost + ":0:0/" + scsiHost + ":0:0:1/type":     "0\n",
			"sys/class/scsi_device/" + scsiHost + ":0:0:1/device/type":             "0\n",
			device + "/target" + scsiHost + ":0:0/" + scsiHost + ":0:0:0/type":     "12\n",
			"sys/class/scsi_device/" + scsiHost + ":0:0:0/device/type":             "12\n",
		}
	}
	files := session("12", "3", "iqn.a", "10.0.0.1", "LOGGED_IN")
	for _, more := range []map[string]string{session("7", "2", "iqn.a", "fd00::1", "FAILED"), session("8", "4", "iqn.ab", "10.0.0.1", "LOGGED_IN")} {
		for k, v := range more {
			files[k] = v
		}
	}
	h := tree(t, files)
	got, err := h.ISCSISessions("iqn.a")
	want := []host.ISCSISession{
		{ID: 7, Target: "iqn.a", Address: "fd00::1", Port: "3260", State: "FAILED", Host: 2},
		{ID: 12, Target: "iqn.a", Address: "10.0.0.1", Port: "3260", State: "LOGGED_IN", Host: 3},
	}
	if err != nil || !slices.Equal(got, want) || got[0].Alive() || !got[1].Alive() {
		t.Fatalf("got %+v, %v", got, err)
	}
	units, err := h.ISCSIUnits(got[1])
	if err != nil || !slices.Equal(units, []host.SCSIAddress{{Host: 3, LUN: 1}}) {
		t.Errorf("units %v, %v", units, err)
	}
	if none, err := tree(t, nil).ISCSISessions("iqn.a"); err != nil || none != nil {
		t.Errorf("without the module: %v, %v", none, err)
	}
}

func TestLockFile(t *testing.T) {
	h := tree(t, nil)
	ctx := hosttest.Context(t)
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				release, err := h.LockFile(ctx, "one")
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have it", n)
				}
				time.Sleep(time.Millisecond)
				inside.Add(-1)
				release()
			}
		})
	}
	all.Wait()
	release, err := h.LockFile(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.LockFile(ctx, "two")
	if err != nil {
		t.Fatal(err)
	}
	other()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := h.LockFile(short, "one"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("taken twice: %v", err)
	}
	release()
	if left, _ := filepath.Glob(h.Path("run/fuxi/*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
