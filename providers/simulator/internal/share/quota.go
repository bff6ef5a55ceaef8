package share

import (
	"net/http"

	"github.com/google/uuid"
)

// Quota returns a project's limits.
func (b *Service) Quota(project string) Quota {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.quota(project)
}

func (b *Service) quota(project string) Quota {
	if q := b.quotas.Get(project); q != nil {
		return *q
	}
	return b.opts.Quota
}

// SetQuota gives a project limits of its own.
func (b *Service) SetQuota(project string, q Quota) error {
	return b.update(func() error {
		b.quotas.Put(project, &q)
		return nil
	})
}

// Usage returns what a project has now.
func (b *Service) Usage(project string) Usage {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.used(project)
}

func (b *Service) used(project string) (u Usage) {
	for _, s := range b.shares.Rows() {
		if s.Project == project {
			u.Shares++
			u.Gigabytes += s.quotaSize()
		}
	}
	for _, s := range b.snapshots.Rows() {
		if s.Project == project {
			u.Snapshots++
			u.SnapshotGigabytes += s.Size
		}
	}
	return u
}

// fits refuses what would take the project over a limit, with the status that
// the operation uses for it.
func (b *Service) fits(project string, more Usage, status int) error {
	limit, used := b.quota(project), b.used(project)
	prefix := ""
	if status == http.StatusRequestEntityTooLarge {
		prefix = "ShareSizeExceedsAvailableQuota: "
	}
	switch {
	case limit.Gigabytes >= 0 && used.Gigabytes+more.Gigabytes > limit.Gigabytes && more.Gigabytes > 0:
		return overGigabytes(status, prefix)
	case limit.Shares >= 0 && used.Shares+more.Shares > limit.Shares && more.Shares > 0:
		return overShares(limit.Shares)
	case limit.SnapshotGigabytes >= 0 && used.SnapshotGigabytes+more.SnapshotGigabytes > limit.SnapshotGigabytes && more.SnapshotGigabytes > 0:
		return Refuse(http.StatusRequestEntityTooLarge, "SnapshotSizeExceedsAvailableQuota: Requested snapshot exceeds allowed project/user or share type gigabytes quota.")
	case limit.Snapshots >= 0 && used.Snapshots+more.Snapshots > limit.Snapshots && more.Snapshots > 0:
		return Refuse(http.StatusRequestEntityTooLarge, "SnapshotLimitExceeded: Maximum number of snapshots allowed (%d) either per project/user or share type quota is exceeded.", limit.Snapshots)
	}
	return nil
}

// CreateNetwork records a share network.
func (b *Service) CreateNetwork(c Caller, name, description *string) (*Network, error) {
	n := &Network{ID: uuid.NewString(), Name: name, Description: description, Project: c.Project, Created: now()}
	return n, b.update(func() error {
		b.networks.Put(n.ID, n)
		return nil
	})
}

// Networks returns a project's share networks.
func (b *Service) Networks(project string) []*Network {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return sorted(b.networks.Rows(), func(n *Network) bool { return n.Project == project }, func(n *Network) string { return n.ID })
}

func (b *Service) network(c Caller, id string) *Network {
	if n := b.networks.Get(id); n != nil && (c.Admin || n.Project == c.Project) {
		return n
	}
	return nil
}

// DeleteNetwork removes a share network that no share is on.
func (b *Service) DeleteNetwork(c Caller, id string) error {
	return b.update(func() error {
		if b.network(c, id) == nil {
			return Refuse(http.StatusNotFound, "Share network %s could not be found.", id)
		}
		for _, s := range b.shares.Rows() {
			if s.NetworkID != nil && *s.NetworkID == id {
				return Refuse(http.StatusConflict, "Can not delete share network %s, it has 1 share(s).", id)
			}
		}
		b.networks.Delete(id)
		return nil
	})
}
