// Package manila keeps shares in OpenStack's shared file systems service, API
// version 2, and lets this host in to them: by one access rule for its address
// or, for CephFS, for a client of its own. Each method is one HTTP request where
// the API allows it; Expose and Release also wait, because a rule that is not
// yet applied makes mounts fail, and one not yet removed still lets in.
package manila

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Name of this provider in keys and settings.
const Name = "manila"

// Protocols that fuxi mounts, in Manila's spelling.
const (
	NFS    = "NFS"
	CephFS = "CEPHFS"
)

// Config of a Provider.
type Config struct {
	Cluster   string // value of the volume_from mark that makes a share ours
	CloudName string // for keys; "" takes the Session's name
	HostName  string // this host's name in access rules; "" lets it into nothing
	HostIP    string // this host's address on the storage network, as the share servers see it; needed for NFS
	// Networks are where exports are looked for first, when a share has several.
	Networks []netip.Prefix
	// Defaults of what is asked for: protocol ("" is NFS), type ("" is the
	// cloud's), share network ("" is none).
	ShareProto, ShareType, ShareNetwork string
	PageSize                            int           // shares asked for at once; 0 is 1000, which Manila also has as its limit
	RuleWait                            time.Duration // bound of waiting for one access rule; 0 is 3 minutes
}

// Provider implements volume.Provider, volume.Attacher and volume.Extender for
// shares.
type Provider struct {
	session *openstack.Session
	cfg     Config
	// tooNew is the microversion, as a number behind "2.", from which on the
	// cloud has refused; 0 before it refused any.
	tooNew atomic.Int64
	// protocols remembers the protocol of each share that was read: it decides
	// the form of an attachment's id and never changes.
	protocols sync.Map
	// How long rules took to hold and to go.
	applying, denying pace
}

// New returns a Provider over the session. It asks nobody.
func New(session *openstack.Session, cfg Config) *Provider {
	cfg.CloudName = cmp.Or(cfg.CloudName, session.Name())
	cfg.ShareProto = cmp.Or(cfg.ShareProto, NFS)
	cfg.PageSize = max(cmp.Or(cfg.PageSize, 1000), 2) // pages overlap by one
	cfg.RuleWait = cmp.Or(cfg.RuleWait, 3*time.Minute)
	return &Provider{session: session, cfg: cfg}
}

func (p *Provider) get(ctx context.Context, doing, path string, query url.Values, into any) error {
	return p.call(ctx, openstack.Call{Method: http.MethodGet, Path: path, Query: query, Doing: doing}, into)
}

// checkID refuses what would turn "shares/ID" into another path: an empty id
// makes a request about one share into one about all of them.
func checkID(what, id string) error {
	if id == "" || len(id) > 64 || strings.Trim(strings.ToLower(id), "0123456789abcdefghijklmnopqrstuvwxyz-_") != "" {
		return volume.Errorf(volume.ErrInvalid, "%q is not the id of a %s", id, what)
	}
	return nil
}

// nonsense is an answer with the status of success that is none.
func (p *Provider) nonsense(doing, found string) *volume.Error {
	return volume.Errorf(volume.ErrUnavailable, "asking manila of cloud %q to %s: the answer %s; check what is between fuxi and the cloud",
		p.session.Name(), doing, found)
}
