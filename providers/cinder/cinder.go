// Package cinder keeps volumes in OpenStack's block storage service, API
// version 3, and attaches them to a host that is not a Nova server: by
// attachments without an instance. Each method is one HTTP request; only where
// a refusal must be understood is there a second one.
package cinder

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Name of this provider in keys and settings.
const Name = "cinder"

// Microversions that calls need. 3.44 is the first that can complete an
// attachment, so no cloud below it is of use; above 3.31 an unknown filter of a
// list is refused, where older versions return everything instead.
const (
	baseVersion     = "3.44"
	modeVersion     = "3.54" // attachments with a mode: read-only ones
	timeCompVersion = "3.60" // lists by updated_at
)

// Config of a Provider.
type Config struct {
	Cluster   string // value of the volume_from mark that makes a volume ours
	CloudName string // for keys; "" takes the Session's name
	PageSize  int    // volumes asked for at once; 0 is 1000, which Cinder also has as its limit
}

// Provider implements volume.Provider and volume.Attacher.
type Provider struct {
	session *openstack.Session
	cfg     Config
	// noTimeFilter is set once the cloud refused to list by updated_at.
	noTimeFilter atomic.Bool
}

// New returns a Provider over the session. It asks nobody.
func New(session *openstack.Session, cfg Config) *Provider {
	cfg.CloudName = cmp.Or(cfg.CloudName, session.Name())
	cfg.PageSize = cmp.Or(cfg.PageSize, 1000)
	return &Provider{session: session, cfg: cfg}
}

// call sends one request to Cinder.
func (p *Provider) call(ctx context.Context, c openstack.Call, into any) error {
	c.Service = openstack.BlockStorage
	c.Microversion = cmp.Or(c.Microversion, baseVersion)
	return p.session.Do(ctx, c, into)
}

func (p *Provider) get(ctx context.Context, doing, path string, query url.Values, into any) error {
	return p.call(ctx, openstack.Call{Method: http.MethodGet, Path: path, Query: query, Doing: doing}, into)
}

// checkID refuses what would turn "volumes/ID" into another path: an empty id
// makes a delete of one volume into a request about all of them.
func checkID(what, id string) error {
	if id == "" || len(id) > 64 || strings.Trim(strings.ToLower(id), "0123456789abcdefghijklmnopqrstuvwxyz-_") != "" {
		return volume.Errorf(volume.ErrInvalid, "%q is not the id of a %s", id, what)
	}
	return nil
}

// nonsense is an answer with the status of success that is none.
func (p *Provider) nonsense(doing, found string) *volume.Error {
	return volume.Errorf(volume.ErrUnavailable, "asking cinder of cloud %q to %s: the answer %s; check what is between fuxi and the cloud",
		p.session.Name(), doing, found)
}
