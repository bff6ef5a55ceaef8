//go:build e2e

package lab

import (
	"path/filepath"
	"testing"
)

// scenario is one thing that must hold in the lab.
type scenario struct {
	name  string
	nodes int // Docker hosts it needs for itself
	full  bool
	play  func(*scene)
}

// together are those that disturb nobody but their own hosts.
func together() []scenario {
	return []scenario{
		{name: "MainJob", nodes: 1, play: mainJob},
		{name: "Crashes", nodes: 1, play: crashes},
		{name: "TwoNodes", nodes: 2, play: twoNodes},
		{name: "Cycles", nodes: 1, play: cycles},
		{name: "Neighbours", nodes: 1, play: neighbours},
		{name: "Restarts", nodes: 1, play: restarts},
		{name: "PowerLoss", nodes: 1, play: powerLoss},
		{name: "Multipath", nodes: 1, play: multipath},
		{name: "Grow", nodes: 1, play: grow},
		{name: "WrongSecret", nodes: 1, play: wrongSecret},
		{name: "TokenExpires", nodes: 1, play: tokenExpires},
		{name: "Clone", nodes: 2, play: clone},
	}
}

// alone are those that take the cloud or the storage away from everybody, or
// measure.
func alone() []scenario {
	return []scenario{
		{name: "ServicesRestart", nodes: 1, play: servicesRestart},
		{name: "CloudAway", nodes: 1, play: cloudAway},
		{name: "StorageReboots", nodes: 1, play: storageReboots},
		{name: "Speed", nodes: 1, play: speed},
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
					newScene(t, c, sc.name, sc.nodes).play(sc.play)
				})
			}
		})
	}
	part("Together", together(), true)
	part("Alone", alone(), false)
	t.Run("NothingIsLeft", c.leavesNothing)
	c.figures.print()
	if c.full && !t.Failed() {
		if err := c.figures.save(filepath.Join("..", "..", "docs", "lab-figures.md"), c.versions); err != nil {
			t.Error(err)
		}
	}
}
