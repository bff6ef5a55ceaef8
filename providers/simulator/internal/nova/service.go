package nova

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/store"
)

// Options shape a Service.
type Options struct {
	// Servers are there from the start. One that the directory knows keeps its
	// state.
	Servers []Server
	// Settle is how long Nova takes to attach or detach, beside the hypervisor.
	Settle time.Duration
	// Hypervisor holds the guests; nil has none.
	Hypervisor Hypervisor
}

// Service is the compute service. It may be used concurrently.
type Service struct {
	opts  Options
	store *store.Store
	block *block.Service

	mu      sync.RWMutex
	servers *store.Table[Server]
	disks   *store.Table[Disk]

	ctx  context.Context
	stop context.CancelFunc
	jobs sync.WaitGroup
}

// Open loads everything and finishes the attaches and detaches that were under
// way when the last process ended.
func Open(s *store.Store, b *block.Service, opts Options) (*Service, error) {
	if opts.Hypervisor == nil {
		opts.Hypervisor = noGuest{}
	}
	n := &Service{opts: opts, store: s, block: b}
	n.ctx, n.stop = context.WithCancel(context.Background())
	var errs [2]error
	n.servers, errs[0] = store.Load[Server](s, "servers", nil)
	n.disks, errs[1] = store.Load[Disk](s, "server_disks", nil)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	err := n.update(func() error {
		for _, server := range opts.Servers {
			if n.servers.Get(server.ID) == nil {
				server.Created, server.Updated = now(), now()
				n.servers.Put(server.ID, &server)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.SetCompute(n)
	n.resume()
	return n, nil
}

// Close stops what is under way; the next Open resumes it.
func (n *Service) Close() {
	n.stop()
	n.jobs.Wait()
}

// resume takes up what was being plugged, and what was being unplugged: that
// shows by the volume's status alone. The rows are a copy: the first ones may be
// done before the last one is found.
func (n *Service) resume() {
	n.mu.RLock()
	disks := maps.Clone(n.disks.Rows())
	n.mu.RUnlock()
	for _, d := range disks {
		if !d.Plugged {
			n.later(func() { n.plug(d) })
			continue
		}
		v, err := n.block.Volume(block.Caller{Admin: true}, d.VolumeID)
		if err == nil && v.Status == block.Detaching {
			n.later(func() { n.unplug(d) })
		}
	}
}

func (n *Service) later(work func()) {
	n.jobs.Go(func() {
		timer := time.NewTimer(n.opts.Settle)
		defer timer.Stop()
		select {
		case <-timer.C:
			work()
		case <-n.ctx.Done():
		}
	})
}

// update runs fn alone and commits what it staged; nothing when it fails.
func (n *Service) update(fn func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := fn(); err != nil {
		store.Discard(n.servers, n.disks)
		return err
	}
	return n.store.Commit(n.servers, n.disks)
}

// Server returns a server the caller may see; others are not found.
func (n *Service) Server(c block.Caller, id string) (*Server, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.server(c, id)
}

func (n *Service) server(c block.Caller, id string) (*Server, error) {
	s := n.servers.Get(id)
	if s == nil || !c.Admin && s.Project != c.Project {
		return nil, noServer(id)
	}
	return s, nil
}

// Servers returns the servers of the caller's project, by id.
func (n *Service) Servers(c block.Caller) []*Server {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var all []*Server
	for _, s := range n.servers.Rows() {
		if s.Project == c.Project {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Server) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Disks returns the volumes of a server, oldest first.
func (n *Service) Disks(c block.Caller, id string) ([]*Disk, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if _, err := n.server(c, id); err != nil {
		return nil, err
	}
	return n.disksOf(id), nil
}

func (n *Service) disksOf(server string) []*Disk {
	var all []*Disk
	for _, d := range n.disks.Rows() {
		if d.ServerID == server {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *Disk) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Device, b.Device)
	})
	return all
}

// Disk returns one volume of a server.
func (n *Service) Disk(c block.Caller, id, volumeID string) (*Disk, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if _, err := n.server(c, id); err != nil {
		return nil, err
	}
	if d := n.disks.Get(diskKey(id, volumeID)); d != nil {
		return d, nil
	}
	return nil, notAttached(id, volumeID)
}

// Owns implements block.Compute.
func (n *Service) Owns(server, attachmentID string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.ContainsFunc(n.disksOf(server), func(d *Disk) bool { return d.Attachment == attachmentID })
}

// Edit changes a server: change is given a copy.
func (n *Service) Edit(c block.Caller, id string, change func(*Server) error) (*Server, error) {
	var edited Server
	err := n.update(func() error {
		s, err := n.server(c, id)
		if err != nil {
			return err
		}
		edited = *s
		if err := change(&edited); err != nil {
			return err
		}
		edited.Updated = now()
		n.servers.Put(id, &edited)
		return nil
	})
	return &edited, err
}
