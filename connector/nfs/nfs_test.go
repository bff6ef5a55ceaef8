package nfs_test

import (
	"os"
	"testing"

	"github.com/openstack/fuxi/connector/host/hosttest"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }
