package manila

import (
	"context"
	"errors"
	"fmt"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Microversions, as the number behind "2.". Below 45 access rules carry no
// metadata, so hosts behind one address could not tell whose a rule is, and
// nobody could tell a rule of fuxi's from an operator's: such a cloud is of no
// use.
const (
	baseVersion    = 45
	replicaVersion = 47 // export locations of the active replica only
	recycleVersion = 69 // shows what lies in the recycle bin
	errorVersion   = 74 // changes rules of a share in an error status
)

// call sends one request to Manila in the version that all need.
func (p *Provider) call(ctx context.Context, c openstack.Call, into any) error {
	c.Service = openstack.SharedFileSystem
	c.Microversion = fmt.Sprintf("2.%d", baseVersion)
	return tooOld(p.session.Do(ctx, c, into))
}

// callIn sends a request that does better in a later version, and in the base
// version where the cloud does not have the later one. It asks for what was
// refused once only once.
func (p *Provider) callIn(ctx context.Context, version int, c openstack.Call, into any) error {
	if limit := p.tooNew.Load(); limit != 0 && int64(version) >= limit {
		return p.call(ctx, c, into)
	}
	c.Service = openstack.SharedFileSystem
	c.Microversion = fmt.Sprintf("2.%d", version)
	err := p.session.Do(ctx, c, into)
	var missing *openstack.MissingFeature
	if !errors.As(err, &missing) {
		return err
	}
	p.refuse(int64(version))
	return p.call(ctx, c, into)
}

// refuse remembers the lowest version that was refused.
func (p *Provider) refuse(version int64) {
	for {
		limit := p.tooNew.Load()
		if limit != 0 && limit <= version || p.tooNew.CompareAndSwap(limit, version) {
			return
		}
	}
}

// tooOld says of a cloud without the base version what that means.
func tooOld(err error) error {
	var missing *openstack.MissingFeature
	if !errors.As(err, &missing) {
		return err
	}
	return volume.Errorf(volume.ErrInvalid, "%w: shares need at least 2.%d, of the Rocky release, for access rules that tell whose they are", err, baseVersion)
}
