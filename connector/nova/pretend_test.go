package nova_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
)

func TestConformance(t *testing.T) {
	for _, bus := range []string{pretend.VirtIO, pretend.SCSI, pretend.UBD, pretend.NVMe} {
		t.Run(bus, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Subject {
				return newVM(t, whole(bus)).subject(t)
			})
		})
	}
}

// Promise A4: the disk is known by whatever says who it is.
func TestForms(t *testing.T) {
	hex := strings.ReplaceAll(volumeID, "-", "")
	for name, form := range map[string]pretend.Plug{
		"virtio, 20 characters in sysfs": whole(pretend.VirtIO),
		"page 0x80, 36 characters":       whole(pretend.SCSI),
		"page 0x80, 20 characters":       {Bus: pretend.SCSI, Serial: volumeID[:20]},
		"wwid":                           {Bus: pretend.SCSI, WWID: "naa." + hex},
		"wwid beside another serial":     {Bus: pretend.SCSI, Serial: "drive-scsi0", WWID: "naa." + hex},
		"nvme":                           whole(pretend.NVMe),
		"upper case":                     {Bus: pretend.SCSI, Serial: strings.ToUpper(volumeID)},
		"link virtio-20":                 {Bus: pretend.VirtIO, Links: []string{"virtio-" + volumeID[:20]}},
		"link virtio-36":                 {Bus: pretend.VirtIO, Links: []string{"virtio-" + volumeID}},
		"link scsi-0":                    {Bus: pretend.SCSI, Links: []string{"scsi-0QEMU_QEMU_HARDDISK_" + volumeID[:20]}},
		"link scsi-S":                    {Bus: pretend.SCSI, Links: []string{"scsi-SQEMU_QEMU_HARDDISK_" + volumeID}},
		"link ata":                       {Bus: pretend.SCSI, Links: []string{"ata-QEMU_HARDDISK_" + volumeID[:20]}},
		"link wwn":                       {Bus: pretend.SCSI, Links: []string{"wwn-0x" + hex}},
		"link nvme":                      {Bus: pretend.NVMe, Links: []string{"nvme-QEMU_NVMe_Ctrl_" + volumeID[:20]}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVM(t, form)
			v.another(1, pretend.Plug{Bus: form.Bus, Serial: "6a7a1bd5-2d5e-4d4c-8a3f-0f6b52f1c001"})
			v.plug(t)
			src, err := v.Connect(hosttest.Context(t), v.conn)
			if err != nil || src.Device != "/dev/"+v.guest.Name() || src.SizeBytes != hosttest.GiB {
				t.Errorf("%+v, %v; want /dev/%s", src, err, v.guest.Name())
			}
			t.Log(src.Proof)
		})
	}
}

// Promise A1: everything else about the disk being right, it is the wrong one.
func TestWrongDisks(t *testing.T) {
	twin := volumeID[:20] + "f-0f6b52f1cfff"
	for name, test := range map[string]struct {
		disks []pretend.Plug
		gib   int64
		kind  error
		says  []string
	}{
		"right size, wrong serial":   {disks: []pretend.Plug{{Bus: pretend.VirtIO, Serial: "00000000-2d5e-4d4c-9a3f-0f6b52f1c001"}}, gib: 1, says: []string{volumeID, "00000000-2d5e-4d4c-9", "vdb"}},
		"right size, no serial":      {disks: []pretend.Plug{{Bus: pretend.VirtIO}}, gib: 1, says: []string{"without a serial", "vdb"}},
		"right prefix, wrong size":   {disks: []pretend.Plug{whole(pretend.VirtIO)}, gib: 2, kind: connector.ErrUnsafe, says: []string{"first 20 characters", "2147483648"}},
		"right serial, wrong size":   {disks: []pretend.Plug{whole(pretend.SCSI)}, gib: 2, kind: connector.ErrUnsafe, says: []string{volumeID}},
		"two":                        {disks: []pretend.Plug{whole(pretend.VirtIO), whole(pretend.SCSI)}, gib: 1, kind: connector.ErrUnsafe, says: []string{"2 disks", "vdb", "sdc"}},
		"two of one prefix":          {disks: []pretend.Plug{whole(pretend.VirtIO), {Bus: pretend.VirtIO, Serial: twin}}, gib: 1, kind: connector.ErrUnsafe, says: []string{"2 disks"}},
		"36 characters, one differs": {disks: []pretend.Plug{{Bus: pretend.SCSI, Serial: twin}}, gib: 1, says: []string{twin}},
		"a prefix of 19":             {disks: []pretend.Plug{{Bus: pretend.SCSI, Serial: volumeID[:19]}}, gib: 1, says: []string{volumeID[:19]}},
		"link of an earlier disk":    {disks: []pretend.Plug{{Bus: pretend.VirtIO, Serial: "00000000-2d5e-4d4c-9a3f", Links: []string{"virtio-" + volumeID[:20]}}}, gib: 1, says: []string{"00000000"}},
		"none":                       {gib: 1, says: []string{"none"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVM(t, pretend.Plug{})
			for _, p := range test.disks {
				v.another(test.gib, p)
			}
			begin := time.Now()
			src, err := v.Connect(hosttest.Context(t), v.conn)
			if err == nil || test.kind != nil && !errors.Is(err, test.kind) || test.kind == nil && errors.Is(err, connector.ErrUnsafe) {
				t.Fatalf("%+v, %v; want %v", src, err, test.kind)
			}
			if test.kind != nil && time.Since(begin) > time.Second {
				t.Errorf("refused after %s", time.Since(begin))
			}
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if _, err := v.Find(hosttest.Context(t), v.conn); test.kind == nil && !errors.Is(err, connector.ErrNotConnected) || test.kind != nil && !errors.Is(err, test.kind) {
				t.Errorf("Find: %v", err)
			}
		})
	}
}

// Promise A3: it is awaited, and the first sight of it is enough.
func TestLateDisk(t *testing.T) {
	v := newVM(t, whole(pretend.VirtIO))
	time.AfterFunc(700*time.Millisecond, func() { v.plug(t) })
	begin := time.Now()
	if _, err := v.Connect(hosttest.Context(t), v.conn); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 1200*time.Millisecond {
		t.Errorf("took %s for a disk that came after 0.7 s", took)
	}
}

// A SCSI guest that is not told looks for itself, on its own adapter alone.
func TestSilentDisk(t *testing.T) {
	v := newVM(t, pretend.Plug{Bus: pretend.SCSI, Serial: volumeID, Silent: true})
	target := v.m.Target("iqn.2010-10.org.openstack:volume-x", "192.0.2.11:3260")
	target.Export(1, v.m.Disk(hosttest.GiB))
	v.m.Login(target, "192.0.2.11:3260", false)
	v.plug(t)
	if _, err := v.Connect(hosttest.Context(t), v.conn); err != nil {
		t.Fatal(err)
	}
	if scans := v.h.Scans(); !slices.Equal(scans, []string{"0 0 -"}) {
		t.Errorf("scanned %q", scans)
	}
	if scans := v.m.Scans(); len(scans) > 0 {
		t.Errorf("scanned an iSCSI target: %q", scans)
	}
}

func TestBusyAtDetach(t *testing.T) {
	for _, bus := range []string{pretend.VirtIO, pretend.SCSI} {
		v := newVM(t, whole(bus))
		v.plug(t)
		ctx := hosttest.Context(t)
		src, err := v.Connect(ctx, v.conn)
		if err != nil {
			t.Fatal(err)
		}
		release := hold(t, v.m.Host.Path(src.Device))
		if err := v.Disconnect(ctx, v.conn); !errors.Is(err, connector.ErrBusy) {
			t.Errorf("%s: %v, want ErrBusy", bus, err)
		}
		if _, err := v.Find(ctx, v.conn); err != nil {
			t.Errorf("%s: %v", bus, err)
		}
		release()
		if err := v.Disconnect(ctx, v.conn); err != nil {
			t.Errorf("%s: %v", bus, err)
		}
	}
}

// Nova may ignore a detach: the volume is connected again from where it stands.
func TestDetachIgnoredByNova(t *testing.T) {
	for _, bus := range []string{pretend.VirtIO, pretend.SCSI} {
		v := newVM(t, whole(bus))
		v.plug(t)
		ctx := hosttest.Context(t)
		for range 2 {
			if _, err := v.Connect(ctx, v.conn); err != nil {
				t.Fatalf("%s: %v", bus, err)
			}
			if err := v.Disconnect(ctx, v.conn); err != nil {
				t.Fatalf("%s: %v", bus, err)
			}
		}
	}
}

func TestResize(t *testing.T) {
	for _, bus := range []string{pretend.VirtIO, pretend.SCSI} {
		t.Run(bus, func(t *testing.T) {
			v := newVM(t, whole(bus))
			ctx := hosttest.Context(t)
			if _, err := v.Resize(ctx, v.conn); !errors.Is(err, connector.ErrNotConnected) {
				t.Errorf("not there: %v", err)
			}
			v.plug(t)
			first, err := v.Connect(ctx, v.conn)
			if err != nil {
				t.Fatal(err)
			}
			v.guest.Grow(2 * hosttest.GiB)
			grown := v.conn
			grown.SizeGiB, grown.Proven = 2, first.Proof
			for range 2 {
				src, err := v.Resize(ctx, grown)
				if err != nil || src.SizeBytes != 2*hosttest.GiB || src.Device != first.Device {
					t.Errorf("%+v, %v", src, err)
				}
			}
			if _, err := v.Resize(ctx, v.conn); !errors.Is(err, connector.ErrUnsafe) {
				t.Errorf("to less than it has: %v, want ErrUnsafe", err)
			}
		})
	}
}

// A disk that showed the whole id does not become one that shows less of it.
func TestWeakerProofIsRefused(t *testing.T) {
	v := newVM(t, whole(pretend.SCSI))
	v.plug(t)
	ctx := hosttest.Context(t)
	src, err := v.Connect(ctx, v.conn)
	if err != nil {
		t.Fatal(err)
	}
	v.unplug(t)
	v.form = whole(pretend.VirtIO)
	v.plug(t)
	v.conn.Proven = src.Proof
	if _, err := v.Find(ctx, v.conn); !errors.Is(err, connector.ErrUnsafe) {
		t.Errorf("Find: %v, want ErrUnsafe", err)
	}
	if err := v.Disconnect(ctx, v.conn); err != nil {
		t.Errorf("Disconnect: %v", err)
	}
}

func TestConnectHonoursItsContext(t *testing.T) {
	v := newVM(t, whole(pretend.VirtIO))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := v.Connect(ctx, v.conn)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}
