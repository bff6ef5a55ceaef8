// Package docker tests fuxi as its users meet it: a real dockerd, the docker
// client, the fuxi binary as it is shipped, and a simulated cloud behind it.
// The tests are named after the scenarios of Docker's own suite for volume
// drivers and after what fuxi promises to a Docker host.
package docker

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/openstack/fuxi/e2e/rig"
)

// mostDaemons bounds how many dockerds run at once: each test has its own, and
// more of them than processors only make all of them slow.
const mostDaemons = 2

func TestMain(m *testing.M) {
	flag.Parse()
	if err := boundParallel(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(rig.Main(m))
}

func boundParallel() error {
	const name = "test.parallel"
	asked, err := strconv.Atoi(flag.Lookup(name).Value.String())
	if err != nil || asked <= mostDaemons {
		return err
	}
	return flag.Set(name, strconv.Itoa(mostDaemons))
}
