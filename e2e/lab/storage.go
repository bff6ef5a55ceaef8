//go:build e2e

package lab

import "slices"

// storage is one kind of storage that volumes are kept on. What must hold for a
// volume must hold on each: scenarios are played on several.
type storage struct {
	name     string   // in the names of scenarios
	kind     string   // the cloud's volume type or share type
	options  []string // of docker volume create
	settings settings // of fuxi.toml, beside those of every test
	// seen is what a container's mount table says of its volume: device and
	// filesystem.
	seen string
	// daemons are what a volume rests on in its host, beside fuxi and Docker.
	daemons []string
	// services are those of the cloud that it goes through, with their machines.
	services [][2]string
	// trouble is what the kernel says when a program was told of an error.
	trouble string
	// simulated storage has a cloud of its own, for one scene.
	simulated bool
}

const diskTrouble = `EXT4-fs (error|warning)|Aborting journal|Remounting filesystem read-only|I/O error.* (dm-|rbd|ubd)`

// lvm is iSCSI: a LUN with CHAP that cinder-volume exports by LIO.
func lvm() storage {
	return storage{
		name: "lvm", kind: "lvm", seen: `^/dev/\S+ /vol ext4 `, daemons: []string{"iscsid"}, trouble: diskTrouble,
		services: [][2]string{{"storage", "cinder-volume"}, {"ctl", "cinder-api"}, {"ctl", "cinder-scheduler"}},
	}
}

// ceph is an RBD image that the host maps.
func ceph() storage {
	return storage{
		name: "ceph", kind: "ceph", options: []string{"-o", "volume_type=ceph"}, seen: `^/dev/rbd\d+ /vol ext4 `, trouble: diskTrouble,
		services: [][2]string{{"ctl", "cinder-volume"}},
	}
}

// nfs is a share of Manila, served by the kernel of the storage machine.
func nfs() storage {
	return storage{
		name: "nfs", kind: "default", options: []string{"-o", "volume_provider=manila"}, seen: `^10\.77\.0\.11:/\S+ /vol nfs4 `,
		daemons: []string{"rpcbind", "statd"}, trouble: `(?i)nfs: .*error|nfs: server \S+ not responding, timed out`,
		services: [][2]string{{"ctl", "manila-api"}, {"ctl", "manila-scheduler"}, {"storage", "manila-share"}},
	}
}

// cephfs is a share of Manila in the Ceph cluster's own filesystem.
func cephfs() storage {
	return storage{
		name: "cephfs", kind: "default", options: []string{"-o", "volume_provider=manila", "-o", "share_proto=CEPHFS"},
		seen: `^10\.77\.0\.1:6789:/volumes/\S+ /vol ceph `, trouble: `(?i)ceph: .*(error|blocklisted|evicted)`,
		services: [][2]string{{"ctl", "manila-share"}},
	}
}

// on makes a row for each storage of a scenario.
func on(sc scenario, storages ...storage) []scenario {
	var rows []scenario
	for _, st := range storages {
		row := sc
		row.on = st
		row.name += "-" + st.name
		rows = append(rows, row)
	}
	return rows
}

// make has a host create a volume on the scene's storage, as far as it is not
// there. On the default storage that is left to docker run.
func (s *scene) make(n *node, name string) { s.t.Helper(); s.makeOn(n, name, s.on) }

func (s *scene) makeOn(n *node, name string, st storage) {
	s.t.Helper()
	if len(st.options) > 0 {
		n.docker(slices.Concat([]string{"volume", "create", "-d", "fuxi"}, st.options, []string{name})...)
	}
}
