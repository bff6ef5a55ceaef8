package pretend

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
)

// supportedFeatures is what Linux 6.12 says it knows of images.
const supportedFeatures = 0x1bf

// RBD is the pretend kernel's RBD client and the clusters that it reaches.
type RBD struct {
	m        *Machine
	clusters []*Cluster
	mappings []*rbdMapping
	keys     map[string]string
	lines    []string
	last     uint64 // client number given out last

	// Hang holds up mappings until it is closed, as a cluster does that does not
	// answer. Set it with Machine.Set.
	Hang chan struct{}
}

// rbdMapping is one device.
type rbdMapping struct {
	image    *Image
	number   int
	loop     host.Loop
	options  map[string]string
	client   string // "14184"
	address  string
	readOnly bool
}

func (p *rbdMapping) name() string { return "rbd" + strconv.Itoa(p.number) }
func (p *rbdMapping) dir() string  { return "/devices/rbd/" + strconv.Itoa(p.number) }

// RBD loads the module. Everything that is mapped when the test ends goes with it.
func (m *Machine) RBD() *RBD {
	k := &RBD{m: m, keys: map[string]string{}, last: 14000}
	m.mu.Lock()
	m.rbd = k
	m.mu.Unlock()
	m.Host.Keys = k
	m.sys.action("/bus/rbd/add_single_major", k.add)
	m.sys.action("/bus/rbd/remove_single_major", k.remove)
	m.sys.file("/bus/rbd/supported_features", fmt.Sprintf("%#x", supportedFeatures))
	m.sys.dir("/bus/rbd/devices")
	m.t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for len(k.mappings) > 0 {
			k.drop(k.mappings[0])
		}
	})
	return k
}

// Hold implements host.Keys: the kernel finds the key while act runs.
func (k *RBD) Hold(name string, key []byte, act func() error) error {
	k.m.mu.Lock()
	k.keys[name] = string(key)
	k.m.mu.Unlock()
	defer func() {
		k.m.mu.Lock()
		delete(k.keys, name)
		k.m.mu.Unlock()
	}()
	return act()
}

// Lines are what was written to add_single_major so far.
func (k *RBD) Lines() []string {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	return slices.Clone(k.lines)
}

// Leftovers lists mappings, device nodes, keys and locks.
func (k *RBD) Leftovers() []string {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	var left []string
	for _, p := range k.mappings {
		left = append(left, "mapping "+p.name()+" of "+p.image.name)
	}
	for name := range k.keys {
		left = append(left, "key "+name)
	}
	for _, pattern := range []string{"run/fuxi/*", "dev/rbd*", "etc/ceph/.*"} {
		found, _ := filepath.Glob(k.m.Host.Path(pattern))
		left = append(left, found...)
	}
	return left
}

// add acts on "MONITORS OPTIONS POOL IMAGE SNAP", as the kernel's do_rbd_add.
func (k *RBD) add(text string) unix.Errno {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	k.lines = append(k.lines, strings.TrimSpace(text))
	words := strings.Fields(text)
	if len(words) != 5 || words[4] != "-" {
		return unix.EINVAL
	}
	options, ok := rbdOptions(words[1])
	if !ok {
		return unix.EINVAL
	}
	secret, known := k.keys[options["key"]]
	if options["key"] != "" && !known {
		return unix.EPERM
	}
	c := k.reached(words[0], options["ms_mode"])
	if c == nil {
		return unix.ETIMEDOUT
	}
	user, errno := c.admit(options["name"], secret)
	if errno != 0 {
		return errno
	}
	if hang := k.Hang; hang != nil {
		k.m.mu.Unlock()
		<-hang
		k.m.mu.Lock()
	}
	image := c.images[words[2]+"/"+options["_pool_ns"]+"/"+words[3]]
	switch {
	case !c.pools[words[2]] || image == nil:
		return unix.ENOENT
	case user.NoData:
		return unix.EPERM
	case image.Features&^supportedFeatures != 0:
		return unix.ENXIO
	}
	return k.open(image, options, strings.TrimSpace(text))
}

// rbdOptions reads the options that Linux 6.12 knows and fuxi or rbd uses.
func rbdOptions(text string) (map[string]string, bool) {
	flags := []string{"noshare", "ro", "exclusive", "notrim"}
	values := []string{"name", "key", "_pool_ns", "ms_mode"}
	numbers := []string{"mount_timeout", "lock_timeout", "osd_request_timeout"}
	options := map[string]string{}
	for word := range strings.SplitSeq(text, ",") {
		name, value, has := strings.Cut(word, "=")
		_, err := strconv.Atoi(value)
		switch {
		case !has && slices.Contains(flags, name), has && value != "" && slices.Contains(values, name), err == nil && slices.Contains(numbers, name):
		default:
			return nil, false
		}
		options[name] = value
	}
	return options, true
}

// open takes the lock and makes the device.
func (k *RBD) open(image *Image, options map[string]string, line string) unix.Errno {
	_, readOnly := options["ro"]
	_, exclusive := options["exclusive"]
	if exclusive && image.Features&featureLock == 0 {
		return unix.EINVAL
	}
	k.last++
	p := &rbdMapping{image: image, options: options, readOnly: readOnly, client: strconv.FormatUint(k.last, 10),
		address: fmt.Sprintf("%s:0/%d", Address, 1000000+k.last)}
	if !readOnly {
		if errno := image.open(p.holder(exclusive)); errno != 0 {
			return errno
		}
	}
	for slices.ContainsFunc(k.mappings, func(o *rbdMapping) bool { return o.number == p.number }) {
		p.number++
	}
	p.loop = k.m.attach(image.file)
	k.mappings = append(k.mappings, p)
	k.show(p, line)
	return 0
}

func (p *rbdMapping) holder(exclusive bool) *Client {
	return &Client{Name: "client." + p.client, Address: p.address, Exclusive: exclusive}
}

// Map is what an administrator's own `rbd map` does: a mapping that fuxi did not
// make.
func (k *RBD) Map(image *Image) error {
	user, key := "admin", "an-administrators-key"
	k.m.mu.Lock()
	image.cluster.users[user] = &User{Key: key}
	line := fmt.Sprintf("%s name=%s,key=client.%s %s -", image.cluster.Monitors[0], user, user, strings.ReplaceAll(strings.ReplaceAll(image.name, "//", " "), "/", " "))
	k.m.mu.Unlock()
	return k.Hold("client."+user, []byte(key), func() error {
		if errno := k.add(line); errno != 0 {
			return errno
		}
		return nil
	})
}

// program runs rbd and ceph.
func (k *RBD) program(_ context.Context, c host.Command) host.Result {
	t, res := k.tool(c)
	if t == nil {
		return res
	}
	return t.run()
}
