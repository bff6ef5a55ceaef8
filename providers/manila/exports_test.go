package manila_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/openstack/fuxi/providers/manila"
	"github.com/openstack/fuxi/providers/simulator"
	"github.com/openstack/fuxi/volume"
)

func TestExportsInOrder(t *testing.T) {
	c := startWith(t, simulator.Options{Settle: 10 * time.Millisecond}, "sim-admin") // an administrator sees all
	v := c.made(volume.NewVolume{})
	c.admin("POST", "shares/"+v.ID, `{"exports":[
		{"path":"10.9.0.1:/admin","preferred":true,"admin_only":true},
		{"path":"198.51.100.1:/first"},
		{"path":"filer.example.org:/named"},
		{"path":"[fd00::1]:/six","preferred":true},
		{"path":"198.51.100.2:/preferred","preferred":true},
		{"path":"10.9.0.1:/near"},
		{"path":"10.9.0.2:/nearest","preferred":true}]}`)
	for host, want := range map[string][]any{
		"192.0.2.1": {"10.9.0.2:/nearest", "10.9.0.1:/near", "198.51.100.2:/preferred", "198.51.100.1:/first", "filer.example.org:/named", "[fd00::1]:/six"},
		"fd00::9": {"[fd00::1]:/six", "filer.example.org:/named", "10.9.0.2:/nearest", "10.9.0.1:/near",
			"198.51.100.2:/preferred", "198.51.100.1:/first"},
	} {
		p := c.with(manila.Config{HostName: "a", HostIP: host, Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}})
		conn, err := p.Expose(t.Context(), v, v.ID+"/ip/"+host, volume.HostIdentity{})
		if err != nil || conn.Driver != "nfs" || !slices.Equal(conn.Data["exports"].([]any), want) {
			t.Errorf("%s: %q, %v", host, conn.Data["exports"], err)
		}
	}
	c.admin("POST", "shares/"+v.ID, `{"exports":[]}`)
	if _, err := c.Expose(t.Context(), v, v.ID+"/ip/192.0.2.1", volume.HostIdentity{}); !errors.Is(err, volume.ErrUnavailable) {
		t.Errorf("none: %v", err)
	}
}

func TestCephFS(t *testing.T) {
	c := start(t)
	p := c.host("node1.example.org", "")
	v := c.made(volume.NewVolume{ShareProto: "CEPHFS"})
	id, err := p.Reserve(t.Context(), v.ID, false)
	if err != nil || id != v.ID+"/cephx/fuxi-node1_example_org" {
		t.Fatalf("%s, %v", id, err)
	}
	for _, known := range []volume.Volume{v, {Key: v.Key, SizeGiB: 1}} { // the registry's has no metadata
		conn, err := p.Expose(t.Context(), known, id, volume.HostIdentity{})
		if err != nil {
			t.Fatal(err)
		}
		if conn.Driver != "cephfs" || conn.Data["client"] != "fuxi-node1_example_org" || conn.Data["fs"] != "cephfs" ||
			conn.Secret["access_key"] == "" || conn.Data["access_key"] != nil || len(conn.Data["exports"].([]any)) != 1 {
			t.Errorf("%+v", conn)
		}
	}
	if got := holders(t, p, v.ID); !slices.Equal(got, []string{"node1.example.org attached"}) {
		t.Errorf("%q", got)
	}
	if err := p.Release(t.Context(), id); err != nil || len(holders(t, p, v.ID)) != 0 {
		t.Errorf("%v", err)
	}
}
