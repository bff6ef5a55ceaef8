package nova_test

import (
	"fmt"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest/pretend"
	"github.com/openstack/fuxi/connector/nova"
)

// Promise D7.
func TestLimit(t *testing.T) {
	for bus, want := range map[string]nova.Room{
		pretend.VirtIO: {Bus: "virtio", Slots: 26, Used: 3},
		pretend.SCSI:   {Bus: "sd", Slots: 256, Used: 3},
		pretend.UBD:    {Bus: "ubd", Slots: 16, Used: 3},
		pretend.NVMe:   {},
	} {
		v := newVM(t, whole(bus))
		for i := range 3 {
			v.another(1, pretend.Plug{Bus: bus, Serial: fmt.Sprint("disk-", i)})
		}
		if room, err := nova.Limit(v.m.Host); err != nil || room != want {
			t.Errorf("%s: %+v, %v; want %+v", bus, room, err, want)
		}
	}
}
