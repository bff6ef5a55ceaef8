package pretend

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bits of image features (librbd's features.h).
const (
	featureLock    = 1 << 2
	DefaultRBD     = 0x3d    // layering, exclusive-lock, object-map, fast-diff, deep-flatten
	FeatureJournal = 1 << 6  // journaling, which no kernel knows
	FeatureLayers  = 1 << 0  // layering
	imageIDs       = 0x37000 // image ids begin here
)

// Cluster is one Ceph cluster.
type Cluster struct {
	FSID     string
	Monitors []string // "192.0.2.1:6789"; port 3300 speaks the new protocol

	k       *RBD
	pools   map[string]bool
	images  map[string]*Image // by pool/namespace/name
	users   map[string]*User
	blocked map[string]bool
}

// User is one client user of a cluster.
type User struct {
	Key     string // the whole key in Ceph's binary form
	NoData  bool   // may not touch the pool's data
	NoFence bool   // may not change the blocklist
	Unfence bool   // may also take clients off it
}

// Client is one client that has an image open.
type Client struct {
	Name      string // "client.4123"
	Address   string // "192.0.2.9:0/77"
	Exclusive bool   // keeps the lock when asked for it
	Dead      bool   // does not answer any more
}

// Image is one image of a cluster.
type Image struct {
	ID       string
	Features uint64

	cluster *Cluster
	name    string // pool/namespace/name
	file    string
	clients []*Client // watchers
	owner   *Client
}

// Cluster makes a cluster with one user, one pool and no image.
func (k *RBD) Cluster(fsid, pool, user, key string, monitors ...string) *Cluster {
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	c := &Cluster{FSID: fsid, Monitors: monitors, k: k, pools: map[string]bool{pool: true}, images: map[string]*Image{},
		users: map[string]*User{user: {Key: key}}, blocked: map[string]bool{}}
	k.clusters = append(k.clusters, c)
	return c
}

// User adds a user.
func (c *Cluster) User(name string, u User) {
	c.k.m.mu.Lock()
	defer c.k.m.mu.Unlock()
	c.users[name] = &u
}

// Image makes an image, "pool/name" or "pool/namespace/name"; one of the name
// that is there is replaced by another one.
func (c *Cluster) Image(name string, size int64, features uint64) *Image {
	c.k.m.t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("TMPDIR"), "image-")
	c.k.m.check(err)
	c.k.m.t.Cleanup(func() { os.RemoveAll(dir) })
	c.k.m.mu.Lock()
	defer c.k.m.mu.Unlock()
	if strings.Count(name, "/") == 1 {
		name = strings.Replace(name, "/", "//", 1)
	}
	c.k.last++
	i := &Image{ID: strconv.FormatUint(imageIDs+c.k.last, 16), Features: features, cluster: c, name: name, file: filepath.Join(dir, "image")}
	f, err := os.Create(i.file)
	c.k.m.check(err)
	defer f.Close()
	c.k.m.check(f.Truncate(size))
	c.images[name] = i
	return i
}

// Grow changes the size of an image; the kernel sees it when it asks.
func (i *Image) Grow(size int64) error { return os.Truncate(i.file, size) }

// Fill writes something at the beginning.
func (i *Image) Fill() error {
	f, err := os.OpenFile(i.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("content"), 4096)
	return err
}

// Open lets somebody else have the image for writing.
func (i *Image) Open(client Client) {
	i.cluster.k.m.mu.Lock()
	defer i.cluster.k.m.mu.Unlock()
	i.open(&client)
}

// Block puts a client on the blocklist.
func (c *Cluster) Block(address string) {
	c.k.m.mu.Lock()
	defer c.k.m.mu.Unlock()
	c.blocked[address] = true
}

// Blocked lists the blocklist.
func (c *Cluster) Blocked() []string {
	c.k.m.mu.Lock()
	defer c.k.m.mu.Unlock()
	var list []string
	for address := range c.blocked {
		list = append(list, address)
	}
	slices.Sort(list)
	return list
}

// open is what a client does that opens the image for writing: it watches it, and
// if there is a lock, it gets it of a living owner who gives it up; of a dead one
// it takes it, and has it shut out.
func (i *Image) open(client *Client) unix.Errno {
	if i.Features&featureLock != 0 {
		if o := i.owner; o != nil && !i.cluster.blocked[o.Address] {
			switch {
			case o.Dead:
				i.cluster.blocked[o.Address] = true
				i.unlock(o.Address)
			case o.Exclusive:
				return unix.EROFS
			}
		}
		i.owner = client
	}
	i.clients = append(i.clients, client)
	return 0
}

func (i *Image) unlock(address string) {
	if i.owner != nil && i.owner.Address == address {
		i.owner = nil
	}
	i.clients = slices.DeleteFunc(i.clients, func(c *Client) bool { return c.Address == address })
}

// reached returns the cluster that has one of the monitors: with the old protocol
// at any port but 3300, with the new one there.
func (k *RBD) reached(monitors, mode string) *Cluster {
	for monitor := range strings.SplitSeq(monitors, ",") {
		isNew := strings.HasSuffix(monitor, ":3300")
		if isNew != (mode != "" && mode != "legacy") {
			continue
		}
		for _, c := range k.clusters {
			if slices.Contains(c.Monitors, monitor) {
				return c
			}
		}
	}
	return nil
}

// admit lets a user in. Without a key the kernel cannot even begin.
func (c *Cluster) admit(name, key string) (*User, unix.Errno) {
	user := c.users[name]
	switch {
	case key == "" && user != nil && user.Key == "":
		return user, 0 // a cluster that asks for no key
	case key == "":
		return nil, unix.EINVAL
	case user == nil || user.Key != key:
		return nil, unix.EACCES
	}
	return user, 0
}

func (i *Image) json() string {
	names := []string{"layering", "striping", "exclusive-lock", "object-map", "fast-diff", "deep-flatten", "journaling", "data-pool"}
	var features []string
	for bit, name := range names {
		if i.Features&(1<<bit) != 0 {
			features = append(features, strconv.Quote(name))
		}
	}
	st, err := os.Stat(i.file)
	i.cluster.k.m.check(err)
	return fmt.Sprintf(`{"name":%q,"id":%q,"size":%d,"objects":%d,"order":22,"object_size":4194304,"snapshot_count":0,"block_name_prefix":"rbd_data.%s","format":2,"features":[%s],"op_features":[],"flags":[],"create_timestamp":"Mon Nov 23 06:49:34 2026","access_timestamp":"Mon Nov 23 06:49:34 2026","modify_timestamp":"Mon Nov 23 06:49:34 2026"}`,
		i.name[strings.LastIndex(i.name, "/")+1:], i.ID, st.Size(), st.Size()>>22, i.ID, strings.Join(features, ","))
}
