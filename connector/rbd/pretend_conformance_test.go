package rbd_test

import (
	"testing"

	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/rbd"
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject { return newScene(t, rbd.Options{}).subject(t) })
}

func TestConformanceShared(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject { return newScene(t, rbd.Options{Shared: true}).subject(t) })
}
