package main

import (
	"testing"

	"github.com/openstack/fuxi/providers/simulator"
)

func TestMachines(t *testing.T) {
	const id = "6f1c2f0a-5a9e-4a0e-8d1b-3c2b1a0f9e01"
	for word, want := range map[string]simulator.Server{
		id:                      {ID: id},
		id + ",name=vm":         {ID: id, Name: "vm"},
		id + ",max-disks=3":     {ID: id, MaxDisks: 3},
		id + ",console=/run/mc": {ID: id, Console: "/run/mc"},
		id + ",console=/run/mc,path=/srv:/run/lab": {ID: id, Console: "/run/mc", From: "/srv", To: "/run/lab"},
	} {
		if got, err := machines([]string{word}); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, %v; want %+v", word, got, err, want)
		}
	}
	for _, word := range []string{"", "vm", id + ",colour=red", id + ",max-disks=many"} {
		if got, err := machines([]string{word}); err == nil {
			t.Errorf("%q: %+v", word, got)
		}
	}
}
