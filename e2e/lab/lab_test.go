//go:build e2e

package lab

import (
	"path/filepath"
	"slices"
	"testing"
)

// together are those that disturb nobody but their own host.
func together() []scenario {
	return slices.Concat(
		[]scenario{{name: "Crashes", play: crashes}},
		on(scenario{name: "MainJob", play: mainJob}, lvm(), ceph(), nfs(), cephfs(), nova()),
		on(scenario{name: "Cycles", play: cycles}, lvm(), ceph()),
		on(scenario{name: "Cycles", brief: true, play: cycles}, nfs()),
		on(scenario{name: "Restarts", play: restarts}, lvm(), nfs()),
		on(scenario{name: "Restarts", full: true, play: restarts}, ceph()), // nothing runs for it on the host
		on(scenario{name: "PowerLoss", play: powerLoss}, lvm(), ceph(), nfs()),
		on(scenario{name: "Grow", play: grow}, lvm(), ceph(), nfs()),
		[]scenario{
			{name: "Multipath", play: multipath},
			{name: "WrongSecret", play: wrongSecret},
			{name: "WrongKeyring", on: ceph(), play: wrongKeyring},
			{name: "AccessRefused", on: nfs(), play: accessRefused},
			{name: "SilentExport", on: nfs(), play: silentExport},
			{name: "DeadServer", on: nfs(), play: deadServer},
			{name: "AnotherInstance", on: nova(), play: anotherInstance},
			{name: "WrongSerial", on: nova(), play: wrongSerial},
			{name: "Neighbours", full: true, play: neighbours},
			{name: "TokenExpires", full: true, play: tokenExpires},
			{name: "RealTarget", play: realTarget},
			{name: "RealCluster", on: ceph(), play: realCluster},
			{name: "RealServer", on: nfs(), play: realServer},
			{name: "ConfigDrive", play: configDrive},
			{name: "Recordings", full: true, play: recordings},
		})
}

// pairs are those that need two hosts. They come one after the other: waiting
// for the second, they would keep others from the first.
func pairs() []scenario {
	return slices.Concat(
		on(scenario{name: "TwoNodes", nodes: 2, play: twoNodes}, lvm(), ceph()),
		[]scenario{
			{name: "HolderGone", nodes: 2, on: ceph(), play: holderGone},
			{name: "ManyWriters", nodes: 2, on: nfs(), play: manyWriters},
			{name: "Multiattach", nodes: 2, play: multiattach},
			{name: "WebFarm", nodes: 2, on: nfs(), play: webFarm},
			{name: "Clone", nodes: 2, play: clone},
		})
}

// alone are those that take the cloud or the storage away from everybody, or
// measure.
func alone() []scenario {
	return slices.Concat(
		// Twenty shares at once keep Manila busy for minutes.
		on(scenario{name: "Cycles", full: true, play: cycles}, nfs(), cephfs()),
		on(scenario{name: "ServicesRestart", play: servicesRestart}, lvm(), ceph(), nfs()),
		[]scenario{
			{name: "CephRestarts", on: ceph(), play: cephRestarts},
			{name: "CephForbids", on: ceph(), play: cephForbids},
			{name: "CloudAway", play: cloudAway},
			{name: "StorageReboots", play: storageReboots},
			{name: "Speed", play: speed},
		},
		on(scenario{name: "Speed", play: storageSpeed}, ceph(), nfs()))
}

// TestLab is the whole run. Its parts have names to be chosen by, as in
// -run TestLab/Together/MainJob-lvm.
func TestLab(t *testing.T) {
	c := newCourse(t)
	part := func(name string, all []scenario, parallel bool) {
		t.Run(name, func(t *testing.T) {
			for _, sc := range all {
				if sc.full && !c.full || sc.brief && c.full {
					continue // not a skip: continuous integration runs all that it lists
				}
				t.Run(sc.name, func(t *testing.T) {
					if parallel {
						t.Parallel()
					}
					newScene(t, c, sc).play(sc.play)
				})
			}
		})
	}
	part("Together", together(), true)
	part("Pairs", pairs(), false)
	part("Alone", alone(), false)
	t.Run("NothingIsLeft", c.leavesNothing)
	c.figures.print()
	if c.full && !t.Failed() {
		if err := c.figures.save(filepath.Join("..", "..", "docs", "lab-figures.md"), c.versions); err != nil {
			t.Error(err)
		}
	}
}
