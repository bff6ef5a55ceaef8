// Package nova finds the disks that Nova has put into this virtual machine
// (Connection.Driver "nova"). Nova plugs and unplugs them; here they are
// recognised, proved and proved idle.
//
// A disk is known by its serial, which hypervisors set to the id of the Cinder
// volume, and by its size, never by the device name that Nova reports: the guest
// gives out names in its own order. What is on the host is read from sysfs every
// time, never remembered; udev is not needed.
package nova

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Driver is the driver this connector serves.
const Driver = "nova"

// defaultArrival is how long a disk may take to appear after Nova said that the
// volume is in use. It is plugged in by then; a guest that is slow to notice
// takes seconds.
const defaultArrival = time.Minute

// rescanAfter is the patience before the buses are asked whether they have
// something new, and between two such questions: most tell by themselves.
const rescanAfter = 2 * time.Second

// Options of a Connector.
type Options struct {
	// Notice is told what went otherwise than wished without failing. It may be
	// nil.
	Notice func(ctx context.Context, text string)
	// Arrival bounds the wait for a disk to appear; 0 is a minute.
	Arrival time.Duration
}

// Connector implements connector.Connector and connector.Resizer for the disks
// of a virtual machine.
type Connector struct {
	host    *host.Host
	options Options
}

// New returns a connector. It starts nothing.
func New(h *host.Host, options Options) *Connector {
	options.Arrival = cmp.Or(options.Arrival, defaultArrival)
	if options.Notice == nil {
		options.Notice = func(context.Context, string) {}
	}
	return &Connector{host: h, options: options}
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Resizer   = (*Connector)(nil)
)

// Connect waits for the volume's disk and proves it: exactly one disk of this
// machine bears the volume's id as its serial, and its size is the cloud's. It
// returns at the first sight of the disk. The error of a disk that does not
// come lists what was looked for and which disks there are.
func (c *Connector) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.connect(ctx, conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("connect %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

func (c *Connector) connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	v, err := parse(conn)
	if err != nil {
		return connector.Source{}, err
	}
	m, err := c.arrive(ctx, v)
	if err != nil {
		return connector.Source{}, err
	}
	src, err := c.source(v, m)
	if err != nil {
		return connector.Source{}, err
	}
	return src, c.host.SetReadOnly(ctx, src.Device, v.Access == connector.ReadOnly)
}

// arrive polls sysfs until the disk is there.
func (c *Connector) arrive(ctx context.Context, v *wanted) (match, error) {
	if ctx.Err() != nil {
		return match{}, context.Cause(ctx)
	}
	patience, cancel := context.WithTimeoutCause(ctx, c.options.Arrival, errors.New("it did not come"))
	defer cancel()
	var found match
	rescan := time.Now().Add(rescanAfter)
	err := c.host.Poll(patience, "the disk with serial "+v.serial, func() (bool, error) {
		m, err := c.look(v)
		if !errors.Is(err, connector.ErrNotConnected) {
			found = m
			return err == nil, err
		}
		if time.Now().After(rescan) {
			rescan = time.Now().Add(rescanAfter)
			if err := c.host.RescanBuses(patience); err != nil {
				c.options.Notice(ctx, fmt.Sprintf("looking for new disks: %v", err))
			}
		}
		return false, nil
	})
	switch {
	case err == nil, patience.Err() == nil:
		return found, err
	case ctx.Err() != nil:
		return found, err // the caller's own deadline, or it gave up
	}
	return found, fmt.Errorf("%w: %s; Nova has plugged it into server %v: if that is not this machine, set [nova] instance_id", err, c.missing(v), v.Data["server"])
}

// Find resolves the connection to its disk as sysfs shows it now.
func (c *Connector) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := c.find(ctx, conn)
	if err != nil {
		return connector.Source{}, fmt.Errorf("find %s: %w", conn.VolumeID, err)
	}
	return src, nil
}

func (c *Connector) find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	if ctx.Err() != nil {
		return connector.Source{}, context.Cause(ctx)
	}
	v, err := parse(conn)
	if err != nil {
		return connector.Source{}, err
	}
	m, err := c.look(v)
	if err != nil {
		return connector.Source{}, err
	}
	return c.source(v, m)
}

// source is the proof of a disk that was found.
func (c *Connector) source(v *wanted, m match) (connector.Source, error) {
	if m.cut && v.Proven[proofWhole] != "" {
		return connector.Source{}, fmt.Errorf("%s shows only the first %d characters of the volume's id, the disk that was here before showed all of it: %w: compare lsblk -o NAME,SIZE,SERIAL with openstack server volume list",
			m.drive, cutSerial, connector.ErrUnsafe)
	}
	device, err := c.host.BlockNode(m.drive.Name)
	if err != nil {
		return connector.Source{}, err
	}
	proof := map[string]string{proofSerial: m.serial.Text, proofFrom: m.serial.From, proofBus: m.drive.Bus}
	if !m.cut {
		proof[proofWhole] = "yes"
	}
	return connector.Source{Device: device, SizeBytes: m.drive.Size, Proof: proof}, nil
}

// Keys of a Source's Proof.
const (
	proofSerial = "serial"      // what the disk says
	proofFrom   = "serial_from" // where it says it
	proofBus    = "bus"
	proofWhole  = "serial_whole" // present when that is the whole id
)
