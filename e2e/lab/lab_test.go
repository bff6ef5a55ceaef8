//go:build e2e

package lab

import (
	"path/filepath"
	"testing"
)

// scenario is one thing that must hold in the lab.
type scenario struct {
	name  string
	nodes int // Docker hosts it needs for itself; 0 is one
	full  bool
	play  func(*scene)
}

// together are those that disturb nobody but their own host.
func together() []scenario {
	return []scenario{
		{name: "Crashes", play: crashes},
		{name: "MainJob", play: mainJob},
		{name: "Cycles", play: cycles},
		{name: "Restarts", play: restarts},
		{name: "PowerLoss", play: powerLoss},
		{name: "Multipath", play: multipath},
		{name: "Grow", play: grow},
		{name: "WrongSecret", play: wrongSecret},
		{name: "Neighbours", full: true, play: neighbours},
		{name: "TokenExpires", full: true, play: tokenExpires},
		{name: "RealTarget", play: realTarget},
		{name: "Recordings", full: true, play: recordings},
	}
}

// pairs are those that need two hosts. They come one after the other: waiting
// for the second, they would keep others from the first.
func pairs() []scenario {
	return []scenario{
		{name: "TwoNodes", nodes: 2, play: twoNodes},
		{name: "Clone", nodes: 2, play: clone},
	}
}

// alone are those that take the cloud or the storage away from everybody, or
// measure.
func alone() []scenario {
	return []scenario{
		{name: "ServicesRestart", play: servicesRestart},
		{name: "CloudAway", play: cloudAway},
		{name: "StorageReboots", play: storageReboots},
		{name: "Speed", play: speed},
	}
}

// TestLab is the whole run. Its parts have names to be chosen by, as in
// -run TestLab/Together/MainJob.
func TestLab(t *testing.T) {
	c := newCourse(t)
	part := func(name string, all []scenario, parallel bool) {
		t.Run(name, func(t *testing.T) {
			for _, sc := range all {
				if sc.full && !c.full {
					continue // not a skip: continuous integration runs all that it lists
				}
				t.Run(sc.name, func(t *testing.T) {
					if parallel {
						t.Parallel()
					}
					newScene(t, c, sc.name, max(sc.nodes, 1)).play(sc.play)
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
