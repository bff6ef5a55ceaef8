package config

import (
	"net/netip"
	"regexp"
	"time"
)

func (c Config) checkNova(k *checker) {
	k.uuid("nova.instance_id", c.Nova.InstanceID, "to find it out")
	if n := c.Nova.MaxVolumes; n < 0 || n > 1024 {
		k.add("nova.max_volumes", n, "must be from 1 to 1024, or 0 to learn it from this server's buses")
	}
}

func (c Config) checkCeph(k *checker) {
	k.path("ceph.conf_dir", c.Ceph.ConfDir)
	k.oneOf("ceph.mapper", c.Ceph.Mapper, "krbd", "nbd")
	k.within("ceph.osd_request_timeout", c.Ceph.OSDRequestTimeout, 0, 24*time.Hour)
	if d := c.Ceph.OSDRequestTimeout.Duration; d%time.Second != 0 {
		k.add("ceph.osd_request_timeout", c.Ceph.OSDRequestTimeout, "must be whole seconds")
	}
}

func (c Config) checkManila(k *checker) {
	s := c.Manila
	k.size("manila.default_size", s.DefaultSize)
	k.oneOf("manila.share_proto", s.ShareProto, "NFS", "CEPHFS")
	k.text("manila.share_type", s.ShareType)
	k.uuid("manila.share_network", s.ShareNetwork, "for none")
	k.text("manila.availability_zone", s.Zone)
	for _, cidr := range s.Networks {
		if p, err := netip.ParsePrefix(cidr); err != nil || p != p.Masked() {
			k.add("manila.networks", cidr, "must be networks such as \"10.0.0.0/8\" or \"fd00::/8\", without bits beyond their length")
		}
	}
}

func (k *checker) size(key string, gib int) {
	if gib < 1 || gib > 65536 {
		k.add(key, gib, "must be from 1 to 65536 (GiB)")
	}
}

func (k *checker) uuid(key, id, otherwise string) {
	if id != "" && !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		k.add(key, id, "must be a lower-case uuid such as 3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10, or \"\" "+otherwise)
	}
}
