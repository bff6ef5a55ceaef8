package volume

import (
	"path/filepath"
	"slices"

	"github.com/openstack/fuxi/connector"
)

// mountSpec reads the layout from the marks and the creation options.
func (s *Service) mountSpec(h *handle, fstype string) (connector.MountSpec, error) {
	v := h.rec.Volume
	opts, err := ParseRecord(v.Marks.Opts)
	if err != nil {
		return connector.MountSpec{}, damagedOpts(v, err)
	}
	if err := opts.CheckMount(fstype); err != nil {
		return connector.MountSpec{}, err
	}
	if err := CheckName(v.Name); err != nil {
		return connector.MountSpec{}, err
	}
	if slices.Contains(v.Marks.Damaged, markSubdir) {
		return connector.MountSpec{}, Errorf(ErrInvalid, "the %s mark of %s (%s) is damaged, so the directory that containers see is unknown; correct it with openstack volume set --property", markSubdir, v.Name, v.ID)
	}
	subdir := v.Marks.Subdir
	if subdir == "/" {
		subdir = ""
	}
	if v.shared() {
		opts.MountOptions = nil // they are the connection's
	}
	return connector.MountSpec{
		FSType: fstype, Options: opts.MountOptions, Subdir: subdir,
		ReadOnly: h.rec.Connection != nil && h.rec.Connection.Access == connector.ReadOnly,
		NoUUID:   fstype == "xfs" && (v.SnapshotID != "" || v.SourceID != ""),
		Target:   s.targetOf(v), Staging: s.stagingOf(v.Key),
		Owner: connector.Owner{UID: opts.UID, GID: opts.GID, Mode: opts.Mode},
		Fresh: h.rec.Fresh,
	}, nil
}

func damagedOpts(v Volume, err error) error {
	return Errorf(ErrInvalid, "the %s mark of %s (%s) is damaged, so its mount options are unknown: %w; correct it with openstack %s set --property", markOpts, v.Name, v.ID, err, v.noun())
}

// noun is what the cloud's own tools call it.
func (v Volume) noun() string {
	if v.shared() {
		return "share"
	}
	return "volume"
}

func (s *Service) targetOf(v Volume) string {
	return filepath.Join(s.cfg.MountDir, v.Provider, v.Name)
}

func (s *Service) stagingOf(k Key) string {
	return filepath.Join(s.cfg.StateDir, "staging", k.Provider+"."+k.ID)
}
