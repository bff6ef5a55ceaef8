package iscsi_test

import (
	"testing"

	"github.com/openstack/fuxi/connector/connectortest"
	"github.com/openstack/fuxi/connector/iscsi"
)

// The suite over one portal, over one of two, and over two with multipath.
func TestConformanceOnePath(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject { return onePath(t).subject(t) })
}

func TestConformanceTwoPortalsOnePath(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject { return newScene(t, iscsi.Off, portal1, portal2).subject(t) })
}

func TestConformanceMultipath(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Subject { return twoPaths(t).subject(t) })
}
