package volume

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/openstack/fuxi/connector"
)

// memoryCloud is a cloud in memory, for what a simulator cannot be made to do.
type memoryCloud struct {
	mu       sync.Mutex
	vols     map[string]*Volume
	meta     map[string]map[string]string
	att      map[string]string // attachment -> volume
	owner    map[string]string // attachment -> host
	n        int
	dels     []string
	getErr   map[string]error
	down     bool
	onExpose func(v Volume) error

	extends   int
	onExtend  func(v *Volume, size int) error
	complaint string
}

func newMemoryCloud() *memoryCloud {
	return &memoryCloud{vols: map[string]*Volume{}, meta: map[string]map[string]string{}, att: map[string]string{}, owner: map[string]string{}, getErr: map[string]error{}}
}

var errDown = Errorf(ErrUnavailable, "cloud down")

func (c *memoryCloud) view(id string) Volume {
	v := *c.vols[id]
	v.Metadata = maps.Clone(c.meta[id])
	v.Marks = ParseMarks(c.meta[id])
	if v.Marks.Name != "" {
		v.Name = v.Marks.Name
	}
	n := 0
	for a, vid := range c.att {
		if vid == id {
			n++
			if c.owner[a] != "" {
				v.Attachments = append(v.Attachments, Attachment{ID: a, Status: "attached", Holder: c.owner[a]})
			}
		}
	}
	if v.Status == "available" && n > 0 {
		v.Status = "reserved"
		if len(v.Attachments) > 0 {
			v.Status = "in-use"
		}
	}
	return v
}
func (c *memoryCloud) add(id, name, status string, meta map[string]string, created time.Time) {
	c.vols[id] = &Volume{Key: Key{"c", "cinder", id}, Name: name, Status: status, SizeGiB: 1, CreatedAt: created}
	c.meta[id] = meta
}
func (c *memoryCloud) Create(ctx context.Context, r NewVolume) (Volume, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	id := fmt.Sprintf("new-%d", c.n)
	c.add(id, r.Name, "available", maps.Clone(r.Metadata), time.Now())
	return c.view(id), nil
}
func (c *memoryCloud) Get(ctx context.Context, id string) (Volume, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return Volume{}, errDown
	}
	if e := c.getErr[id]; e != nil {
		return Volume{}, e
	}
	if c.vols[id] == nil {
		return Volume{}, Errorf(ErrNotFound, "no volume %s", id)
	}
	return c.view(id), nil
}
func (c *memoryCloud) List(ctx context.Context, q Query, page func([]Volume) error) error {
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		return errDown
	}
	var out []Volume
	for id := range c.vols {
		v := c.view(id)
		if v.Marks.From != "cl" || q.Name != "" && c.vols[id].Name != q.Name {
			continue
		}
		if c.getErr[id] != nil {
			continue
		}
		out = append(out, v)
	}
	c.mu.Unlock()
	return page(out)
}
func (c *memoryCloud) Delete(ctx context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.att {
		if v == id {
			return Errorf(ErrInUse, "attached")
		}
	}
	delete(c.vols, id)
	c.dels = append(c.dels, id)
	return nil
}
func (c *memoryCloud) SetMarks(ctx context.Context, id string, ch MarkChange) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.meta[id]
	for _, k := range ch.Unset {
		delete(m, k)
	}
	maps.Copy(m, ch.Set)
	return maps.Clone(m), nil
}
func (c *memoryCloud) Origin(context.Context, string) (string, error) { return "", nil }
func (c *memoryCloud) Check(context.Context, NewVolume) error         { return nil }
func (c *memoryCloud) Reserve(ctx context.Context, id string, ro bool) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return "", errDown
	}
	v := c.vols[id]
	if v == nil {
		return "", Errorf(ErrNotFound, "none")
	}
	for _, vid := range c.att {
		if vid == id && !v.Multiattach {
			return "", Errorf(ErrInUse, "in use")
		}
	}
	c.n++
	a := fmt.Sprintf("att-%d", c.n)
	c.att[a] = id
	return a, nil
}
func (c *memoryCloud) Expose(ctx context.Context, v Volume, a string, h HostIdentity) (connector.Connection, error) {
	if c.onExpose != nil {
		if err := c.onExpose(v); err != nil {
			return connector.Connection{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner[a] = h.Name
	return connector.Connection{Driver: "fake", VolumeID: v.ID, SizeGiB: c.vols[v.ID].SizeGiB, Access: "rw"}, nil
}
func (c *memoryCloud) Complete(context.Context, string) error { return nil }
func (c *memoryCloud) Release(ctx context.Context, a string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errDown
	}
	delete(c.att, a)
	delete(c.owner, a)
	return nil
}
func (c *memoryCloud) Attachments(ctx context.Context, id string) ([]Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errDown
	}
	var out []Attachment
	for a, v := range c.att {
		if v == id {
			out = append(out, Attachment{ID: a, Status: "reserved"})
		}
	}
	return out, nil
}
func (c *memoryCloud) Extend(ctx context.Context, id string, size int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.extends++
	if c.onExtend != nil {
		return c.onExtend(c.vols[id], size)
	}
	c.vols[id].SizeGiB = size
	return nil
}
func (c *memoryCloud) Complaint(context.Context, Volume) string { return c.complaint }
func (c *memoryCloud) Open() bool                               { return false }
func (c *memoryCloud) LastAnswer() time.Time                    { return time.Now() }
func (c *memoryCloud) LastError() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return "down"
	}
	return ""
}
func (c *memoryCloud) Reachable(context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.down
}

// disks are shared content; a host's kernel has devices and mounts.
type memoryHost struct {
	mu       sync.Mutex
	cloud    *memoryCloud
	content  map[string]connector.Content
	dev      map[string]bool
	mounts   map[string]string // target -> device
	unmounts []string
	formats  []string
	mountErr error
	growErr  error
	grown    []string
	late     map[string]int // volume -> GiB that its device still shows
	onResize func(conn connector.Connection)
}

func newMemoryHost(c *memoryCloud, content map[string]connector.Content) *memoryHost {
	return &memoryHost{cloud: c, content: content, dev: map[string]bool{}, mounts: map[string]string{}}
}
func (k *memoryHost) src(conn connector.Connection) (connector.Source, error) {
	k.cloud.mu.Lock()
	real := k.cloud.vols[conn.VolumeID].SizeGiB
	k.cloud.mu.Unlock()
	if late, ok := k.late[conn.VolumeID]; ok {
		real = late
	}
	if real != conn.SizeGiB {
		return connector.Source{}, fmt.Errorf("has %d GiB, the cloud says %d: %w", real, conn.SizeGiB, connector.ErrUnsafe)
	} // as local.rightSize
	return connector.Source{Device: "/dev/" + conn.VolumeID, SizeBytes: int64(real) << 30}, nil
}
func (k *memoryHost) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.src(conn)
	if err == nil {
		k.dev[conn.VolumeID] = true
	}
	return s, err
}
func (k *memoryHost) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.src(conn)
	if err != nil {
		return s, err
	}
	if !k.dev[conn.VolumeID] {
		return connector.Source{}, connector.ErrNotConnected
	}
	return s, nil
}
func (k *memoryHost) Resize(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	if k.onResize != nil {
		k.onResize(conn)
	}
	k.mu.Lock()
	delete(k.late, conn.VolumeID)
	k.mu.Unlock()
	return k.Find(ctx, conn)
}
func (k *memoryHost) Disconnect(ctx context.Context, conn connector.Connection) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.dev, conn.VolumeID)
	return nil
}
func (k *memoryHost) Probe(ctx context.Context, s connector.Source) (connector.Content, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.content[s.Device]; ok {
		return c, nil
	}
	return connector.Content{Blank: true}, nil
}
func (k *memoryHost) Format(ctx context.Context, s connector.Source, spec connector.FormatSpec) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.content[s.Device] = connector.Content{Kind: spec.FSType, UUID: spec.UUID}
	k.formats = append(k.formats, s.Device)
	return nil
}
func (k *memoryHost) Mount(ctx context.Context, s connector.Source, spec connector.MountSpec) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mountErr != nil {
		return k.mountErr
	}
	k.mounts[spec.Target] = s.Device
	return nil
}
func (k *memoryHost) Grow(ctx context.Context, s connector.Source, target string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.growErr != nil {
		return k.growErr
	}
	k.grown = append(k.grown, fmt.Sprintf("%s at %s to %d", s.Device, target, s.SizeBytes>>30))
	return nil
}
func (k *memoryHost) Unmount(ctx context.Context, t, st string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.mounts[t]; ok {
		k.unmounts = append(k.unmounts, t)
	}
	delete(k.mounts, t)
	return nil
}
func (k *memoryHost) Mounts(ctx context.Context, dir string) ([]connector.Mounted, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []connector.Mounted
	for t, d := range k.mounts {
		out = append(out, connector.Mounted{Target: t, Device: d})
	}
	return out, nil
}
func (k *memoryHost) Holders(context.Context, connector.Source) ([]string, error) {
	return []string{"app[1]"}, nil
}
