package rbd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Keys of a Proof.
const (
	proofMapper    = "mapper"    // KRBD or NBD
	proofFSID      = "fsid"      // of the cluster
	proofImage     = "image"     // pool/image or pool/namespace/image
	proofImageID   = "image_id"  // of this very image
	proofExclusive = "exclusive" // "true" while the storage refuses other writers
	proofClient    = "client"    // the cluster's name and address of this mapping
)

// hasLock is the image feature that an exclusive mapping needs, as a bit
// (exclusive-lock; librbd's features.h).
const hasLock = 1 << 2

// mapped returns the mappings of the image that this volume has, and those that
// somebody else made. Snapshots do not count: their content never changes.
func (c *Connector) mapped(v volume) (mine, others []host.RBDDevice, err error) {
	all, err := c.host.RBDDevices(v.image)
	for _, d := range all {
		switch {
		case d.Snapshot != "-" && d.Snapshot != "":
		case v.ours(d):
			mine = append(mine, d)
		default:
			others = append(others, d)
		}
	}
	return mine, others, err
}

// find proves the mapping that is there.
func (c *Connector) find(v volume) (connector.Source, error) {
	if c.nbd(v) {
		return c.findNBD(v)
	}
	mine, others, err := c.mapped(v)
	if err != nil {
		return connector.Source{}, err
	}
	if len(mine) == 0 && len(others) > 0 {
		return connector.Source{}, fmt.Errorf("%w by fuxi: %w", strangerError(v, others), connector.ErrNotConnected)
	}
	return c.source(v, mine)
}

// source proves that the one mapping is the volume.
func (c *Connector) source(v volume, mine []host.RBDDevice) (connector.Source, error) {
	if len(mine) == 0 {
		return connector.Source{}, connector.ErrNotConnected
	}
	if len(mine) > 1 {
		return connector.Source{}, fmt.Errorf("%s is mapped %d times on this host, as %s: %w: unmap all but the one in use, by `rbd unmap`",
			v.image, len(mine), devices(mine), connector.ErrUnsafe)
	}
	d := mine[0]
	if d.Name == "" {
		return connector.Source{}, fmt.Errorf("RBD device %d has no block device: %w", d.Number, connector.ErrNotConnected)
	}
	if err := v.prove(d); err != nil {
		return connector.Source{}, err
	}
	if d.ReadOnly != (v.Access == connector.ReadOnly) {
		return connector.Source{}, fmt.Errorf("%s is mapped for another access than %s: %w", d.Device(), v.Access, connector.ErrNotConnected)
	}
	size, err := c.host.BlockSize(d.Name)
	if err != nil {
		return connector.Source{}, err
	}
	if err := v.CheckSize(size); err != nil {
		return connector.Source{}, fmt.Errorf("%s %w", d.Device(), err)
	}
	device, err := c.host.BlockNode(d.Name)
	if err != nil {
		return connector.Source{}, err
	}
	return connector.Source{Device: device, SizeBytes: size, Proof: v.proof(d)}, nil
}

// prove compares the image with the one that an earlier Connect under the same
// attachment proved: an image that was deleted and made anew has the same name.
func (v volume) prove(d host.RBDDevice) error {
	for _, is := range []struct{ key, what, value string }{
		{proofFSID, "the cluster", d.FSID},
		{proofImageID, "the image's id", d.ImageID},
		{proofImage, "the image", d.Image.String()},
	} {
		if was := v.Proven[is.key]; was != "" && was != is.value {
			return fmt.Errorf("%s is not the image that was connected before: %s was %s and is %s: %w: it is another volume's, or was deleted and made anew",
				v.image, is.what, was, is.value, connector.ErrUnsafe)
		}
	}
	if d.ImageID == "" || d.FSID == "" {
		return fmt.Errorf("the kernel does not say which image of which cluster %s is: %w: Linux 4.9 or later is needed", d.Device(), connector.ErrUnsupported)
	}
	return nil
}

// proof is the record of what identified the image.
func (v volume) proof(d host.RBDDevice) map[string]string {
	exclusive := "false"
	if d.Has("exclusive") {
		exclusive = "true"
	}
	return map[string]string{
		proofMapper: KRBD, proofFSID: d.FSID, proofImage: d.Image.String(), proofImageID: d.ImageID,
		proofExclusive: exclusive, proofClient: d.Client + " " + d.Address,
	}
}

var errStranger = errors.New("mapped by somebody else on this host")

// strangerError names the mappings that fuxi did not make.
func strangerError(v volume, others []host.RBDDevice) error {
	return fmt.Errorf("%s is %w as %s (options %s)", v.image, errStranger, devices(others), others[0].Options)
}

func devices(all []host.RBDDevice) string {
	var names []string
	for _, d := range all {
		names = append(names, d.Device())
	}
	return strings.Join(names, " and ")
}
