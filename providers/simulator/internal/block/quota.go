package block

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
	if u := b.index.usage[project]; u != nil {
		return *u
	}
	return Usage{}
}

// fits refuses what would take the project over a limit. Gigabytes are checked
// before numbers, as Cinder reports them.
func (b *Service) fits(project string, more Usage) error {
	limit, used := b.quota(project), *b.index.used(project)
	if limit.Gigabytes >= 0 && used.Gigabytes+more.Gigabytes > limit.Gigabytes {
		return overGigabytes(more.Gigabytes, limit.Gigabytes, used.Gigabytes)
	}
	if limit.Volumes >= 0 && more.Volumes > 0 && used.Volumes+more.Volumes > limit.Volumes {
		return overVolumes(limit.Volumes)
	}
	if limit.Snapshots >= 0 && more.Snapshots > 0 && used.Snapshots+more.Snapshots > limit.Snapshots {
		return overSnapshots(limit.Snapshots)
	}
	return nil
}
