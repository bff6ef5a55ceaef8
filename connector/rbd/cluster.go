package rbd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
)

// Usual ports of monitors.
const (
	portV1 = 6789
	portV2 = 3300
)

// Limits of what the kernel may wait for inside one mapping, seconds. A dead
// client loses its watch after 30 s, and the kernel asks it for 10 s first:
// shorter than that together, a mapping after a crash would fail.
const (
	mountTimeout = 20 // for the monitors: the kernel makes all others wait meanwhile
	lockTimeout  = 60 // for the exclusive lock
	margin       = 2  // kept of the caller's time, to tell what went wrong
)

// access is how to reach the cluster of a volume.
type access struct {
	conf     host.CephConf
	monitors []string // "10.0.0.1:6789", "[fd00::1]:6789"
	mode     string   // ms_mode; "" is the kernel's default, v1
	key      host.CephKey
}

func (c *Connector) checkOptions() error {
	o := c.options
	if o.Mapper != KRBD && o.Mapper != NBD {
		return fmt.Errorf("mapper %q: %w: only %s and %s are known", o.Mapper, connector.ErrUnsupported, KRBD, NBD)
	}
	if !slices.Contains([]string{"", "legacy", "crc", "secure", "prefer-crc", "prefer-secure"}, o.MSMode) {
		return fmt.Errorf("messenger mode %q: %w: legacy, crc, secure, prefer-crc and prefer-secure are known", o.MSMode, connector.ErrUnsupported)
	}
	if o.OSDRequestTimeout < 0 {
		return fmt.Errorf("a time limit of %d s for requests: %w", o.OSDRequestTimeout, connector.ErrUnsupported)
	}
	return nil
}

// reach finds the monitors and the key: from the connection, else from the
// cluster's files on this host.
func (c *Connector) reach(ctx context.Context, v volume) (access, error) {
	conf, err := c.host.CephConf(c.options.ConfDir, v.cluster)
	if err != nil {
		return access{}, err
	}
	a := access{conf: conf}
	monitors := v.monitors
	if len(monitors) == 0 {
		if monitors, err = conf.Monitors(v.user); err != nil {
			return a, err
		}
	}
	if len(monitors) == 0 {
		return a, fmt.Errorf("the cloud names no monitor of the cluster %s, and %s has no mon_host: %w: write the monitors' addresses there",
			v.cluster, conf.File, connector.ErrUnsupported)
	}
	if a.mode, monitors = messenger(c.options.MSMode, monitors); len(monitors) == 0 {
		return a, fmt.Errorf("no monitor of the cluster %s speaks the protocol of messenger mode %q: %w", v.cluster, c.options.MSMode, connector.ErrUnsupported)
	}
	if a.monitors, err = resolve(ctx, monitors); err != nil {
		return a, err
	}
	a.key, err = c.key(v, conf)
	return a, err
}

// messenger chooses the protocol and the monitors' ports for it.
func messenger(mode string, monitors []host.CephMonitor) (string, []host.CephMonitor) {
	isV2 := func(m host.CephMonitor) bool { return m.V2 || !m.V1 && m.Port == portV2 }
	if mode == "" && !slices.ContainsFunc(monitors, func(m host.CephMonitor) bool { return !isV2(m) }) {
		mode = "prefer-crc"
	}
	old := mode == "" || mode == "legacy"
	var chosen []host.CephMonitor
	for _, m := range monitors {
		switch {
		case old && isV2(m), !old && m.V1:
			continue
		case m.Port == 0 && old:
			m.Port = portV1
		case m.Port == 0, !old && m.Port == portV1:
			m.Port = portV2
		}
		m = host.CephMonitor{Host: m.Host, Port: m.Port}
		if !slices.Contains(chosen, m) {
			chosen = append(chosen, m)
		}
	}
	return mode, chosen
}

// resolve turns names into addresses: few kernels can.
func resolve(ctx context.Context, monitors []host.CephMonitor) ([]string, error) {
	var all []string
	var failed []error
	for _, m := range monitors {
		addresses := []string{m.Host}
		if _, err := netip.ParseAddr(m.Host); err != nil {
			found, err := net.DefaultResolver.LookupHost(ctx, m.Host)
			if err != nil {
				failed = append(failed, fmt.Errorf("monitor %s: %w", m.Host, err))
				continue
			}
			addresses = found
		}
		for _, address := range addresses {
			all = append(all, net.JoinHostPort(address, strconv.Itoa(m.Port)))
		}
	}
	if len(all) == 0 {
		return nil, errors.Join(failed...)
	}
	return all, nil
}

func (c *Connector) key(v volume, conf host.CephConf) (host.CephKey, error) {
	if !v.auth {
		return host.CephKey{}, nil
	}
	if v.keyring != "" {
		text, binary, err := host.CephKeyOf(v.keyring, v.user)
		if err != nil {
			return host.CephKey{}, fmt.Errorf("the keyring that the cloud sent: %w", err)
		}
		return host.CephKey{Text: text, Binary: binary}, nil
	}
	key, err := c.host.CephKey(conf, v.user)
	if err != nil {
		return key, fmt.Errorf("%w: %w: have the Ceph administrator write what `ceph auth get client.%s` prints (capabilities %s) to %s/%s.client.%s.keyring, mode 0600",
			err, connector.ErrUnsupported, v.user, v.capabilities(), c.options.ConfDir, v.cluster, v.user)
	}
	return key, nil
}

// capabilities are what the user needs.
func (v volume) capabilities() string {
	return fmt.Sprintf("mon 'profile rbd', osd 'profile rbd pool=%s'", v.image.Pool)
}

// keyName marks a mapping as made by fuxi for this volume: the kernel keeps it in
// config_info, so it is known again after a crash that nothing was written down
// before.
func (v volume) keyName() string { return "fuxi." + v.VolumeID }

// opening begins the options of every mapping of fuxi. Without a key it is the
// order that tells: no other tool writes it so.
//
// noshare: mappings of one host otherwise share a client, and shutting out the
// client of one image (Fence, or another host's kernel that takes a lock over)
// would break all of them.
func (v volume) opening() string {
	if v.auth {
		return "noshare,name=" + v.user + ",key=" + v.keyName()
	}
	return "noshare,name=" + v.user
}

// ours tells whether a fuxi of this host made the mapping for this volume.
func (v volume) ours(d host.RBDDevice) bool {
	return d.Options == v.opening() || strings.HasPrefix(d.Options, v.opening()+",")
}

// mapping is the order to the kernel.
func (c *Connector) mapping(ctx context.Context, v volume, a access, exclusive bool) host.RBDMapping {
	wait := lockTimeout
	if end, limited := ctx.Deadline(); limited {
		wait = min(wait, max(1, int(time.Until(end).Seconds())-margin))
	}
	options := []string{v.opening(), "mount_timeout=" + strconv.Itoa(min(wait, mountTimeout))}
	if v.image.Namespace != "" {
		options = append(options, "_pool_ns="+v.image.Namespace)
	}
	if a.mode != "" && a.mode != "legacy" {
		options = append(options, "ms_mode="+a.mode)
	}
	if c.options.OSDRequestTimeout > 0 {
		options = append(options, "osd_request_timeout="+strconv.Itoa(c.options.OSDRequestTimeout))
	}
	if !v.discard {
		options = append(options, "notrim")
	}
	if v.Access == connector.ReadOnly {
		options = append(options, "ro")
	} else {
		options = append(options, "lock_timeout="+strconv.Itoa(wait))
	}
	if exclusive {
		options = append(options, "exclusive")
	}
	m := host.RBDMapping{Monitors: strings.Join(a.monitors, ","), Options: strings.Join(options, ","), Image: v.image}
	if v.auth {
		m.KeyName, m.Key = v.keyName(), a.key.Binary
	}
	return m
}
