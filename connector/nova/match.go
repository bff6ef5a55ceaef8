package nova

import (
	"fmt"
	"strings"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// cutSerial is how many characters virtio-blk keeps of a serial
// (VIRTIO_BLK_ID_BYTES); NVMe and ATA have as many.
const cutSerial = 20

// wanted is a connection that was checked.
type wanted struct {
	connector.Connection
	serial string // the volume's id in lower case
}

// parse checks what came as JSON: it may have any type and say anything.
func parse(conn connector.Connection) (*wanted, error) {
	serial, ok := conn.Data["serial"].(string)
	switch {
	case conn.VolumeID == "" || conn.SizeGiB <= 0:
		return nil, fmt.Errorf("the connection has no volume id or no size (%d GiB): %w", conn.SizeGiB, connector.ErrUnsafe)
	case conn.Encrypted:
		return nil, fmt.Errorf("the connection says that the disk holds ciphertext, which Nova never hands to a guest: %w", connector.ErrUnsafe)
	case !ok:
		return nil, fmt.Errorf("the connection has no serial but %v: %w", conn.Data["serial"], connector.ErrUnsupported)
	case !strings.EqualFold(serial, conn.VolumeID):
		return nil, fmt.Errorf("the connection's serial %q is not the id of the volume: %w", serial, connector.ErrUnsafe)
	case !connector.IsUUID(strings.ToLower(serial)):
		// Shorter, and the first characters would say nothing.
		return nil, fmt.Errorf("serial %q is no uuid: %w", serial, connector.ErrUnsafe)
	}
	return &wanted{Connection: conn, serial: strings.ToLower(serial)}, nil
}

// match is a disk that bears the volume's id.
type match struct {
	drive  host.Drive
	serial host.Serial
	cut    bool // only the first cutSerial characters of it
}

// matches picks the disks that bear the volume's id, whole or cut.
func (v *wanted) matches(drives []host.Drive) []match {
	var all []match
	for _, d := range drives {
		if m, ok := v.match(d); ok {
			all = append(all, m)
		}
	}
	return all
}

func (v *wanted) match(d host.Drive) (best match, ok bool) {
	for _, s := range d.Serials {
		whole, cut := v.bears(s.Text)
		if whole {
			return match{drive: d, serial: s}, true
		}
		if cut && !ok {
			best, ok = match{drive: d, serial: s, cut: true}, true
		}
	}
	return best, ok
}

// bears tells whether a disk that says this means the volume. Names that
// identify the world over (naa., eui., wwn) are the id without its hyphens.
func (v *wanted) bears(text string) (whole, cut bool) {
	text = strings.ToLower(text)
	for _, kind := range []string{"naa.", "eui.", "uuid."} {
		text = strings.TrimPrefix(text, kind)
	}
	if text == v.serial || text == strings.ReplaceAll(v.serial, "-", "") {
		return true, false
	}
	return false, len(text) == cutSerial && strings.HasPrefix(v.serial, text)
}

// look finds the one disk of the volume and proves its size.
// connector.ErrNotConnected when there is none yet; connector.ErrUnsafe when
// there are two, or when its size is another.
func (c *Connector) look(v *wanted) (match, error) {
	m, err := c.only(v)
	if err != nil {
		return m, err
	}
	if err := v.CheckSize(m.drive.Size); err != nil {
		if m.cut {
			return m, fmt.Errorf("%s bears the first %d characters of the volume's id, as virtio disks do, but it %w", m.drive, cutSerial, err)
		}
		return m, fmt.Errorf("%s: %w", m.drive, err)
	}
	return m, nil
}

// only is look without a word about the size.
func (c *Connector) only(v *wanted) (match, error) {
	drives, err := c.host.Drives()
	if err != nil {
		return match{}, err
	}
	all := v.matches(drives)
	switch {
	case len(all) > 1:
		return match{}, fmt.Errorf("%d disks bear serial %s: %s: %w: detach all but one", len(all), v.serial, listed(all), connector.ErrUnsafe)
	case len(all) == 0, all[0].drive.Size == 0: // without a size it is just being made
		return match{}, fmt.Errorf("no disk of this machine bears serial %s: %w", v.serial, connector.ErrNotConnected)
	}
	return all[0], nil
}

// missing says what was looked for and what is there, for somebody who has to
// find out why.
func (c *Connector) missing(v *wanted) string {
	drives, err := c.host.Drives()
	if err != nil {
		return err.Error()
	}
	text := make([]string, len(drives))
	for i, d := range drives {
		text[i] = d.String()
		if len(d.Serials) == 0 && v.CheckSize(d.Size) == nil {
			text[i] += ", of the right size: but without a serial it may be any disk"
		}
	}
	there := strings.Join(text, "; ")
	if there == "" {
		there = "none"
	}
	return fmt.Sprintf("looked for serial %q, its first %d characters and %q; disks of this machine: %s: if the hypervisor gives its disks no serial, fuxi cannot tell them apart",
		v.serial, cutSerial, strings.ReplaceAll(v.serial, "-", ""), there)
}

func listed(all []match) string {
	text := make([]string, len(all))
	for i, m := range all {
		text[i] = m.drive.String()
	}
	return strings.Join(text, "; ")
}
