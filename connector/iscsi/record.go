package iscsi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/trace"
)

// databases are where distributions have open-iscsi keep its node records:
// Debian from 13 on and Red Hat, then Debian before and SUSE.
func databases() []string { return []string{"/var/lib/iscsi", "/etc/iscsi"} }

// Times of a login, seconds. open-iscsi's own (8 tries of 15 s) are longer than
// Docker waits.
const (
	loginTimeout = 10
	loginRetries = 1
)

// setting is one line of a node record.
type setting struct{ key, value string }

// settings are what fuxi wants in a record. Scanning is manual, or the login
// would bring in every unit the target exports; starting is manual, because at
// boot nobody would check who the disks are.
func (v volume) settings() []setting {
	all := []setting{
		{"node.session.scan", "manual"},
		{"node.startup", "manual"},
		{"node.conn[0].startup", "manual"},
		{"node.session.initial_login_retry_max", strconv.Itoa(loginRetries)},
		{"node.conn[0].timeo.login_timeout", strconv.Itoa(loginTimeout)},
	}
	if v.auth.user == "" {
		return all
	}
	all = append(all, setting{"node.session.auth.authmethod", "CHAP"},
		setting{"node.session.auth.username", v.auth.user},
		setting{"node.session.auth.password", v.auth.password})
	if v.auth.userIn != "" {
		all = append(all, setting{"node.session.auth.username_in", v.auth.userIn},
			setting{"node.session.auth.password_in", v.auth.passwordIn})
	}
	return all
}

// prepare writes the record of a portal: open-iscsi makes one with the host's
// own defaults, and our settings are put into that file. A setting given to
// iscsiadm instead would stand in its arguments, where every process of the
// host can read it.
func (c *Connector) prepare(ctx context.Context, v volume, p portal) error {
	made := c.iscsiadm(ctx, "-m", "node", "-T", p.iqn, "-p", p.String(), "-I", "default", "-o", "new")
	files, err := c.records(p)
	if made != nil && !(exits(made, exitDatabase) && len(files) > 0) { // so old versions say that there is one
		return fmt.Errorf("make a record for %s in open-iscsi's database: %w", p, made)
	}
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return c.prepareAloud(ctx, v, p)
	}
	for _, file := range files {
		if err := c.rewrite(ctx, p, file, v.settings()); err != nil {
			return fmt.Errorf("write our settings into %s: %w", file, err)
		}
	}
	return nil
}

// prepareAloud gives the settings to iscsiadm, for a database that is kept where
// fuxi does not look. The passwords reach iscsiadm through the environment of a
// shell, so they are in no trace and no message, but they are in iscsiadm's
// arguments for some milliseconds: every process of this host could read them
// there.
func (c *Connector) prepareAloud(ctx context.Context, v volume, p portal) error {
	words := []string{"iscsiadm", "-m", "node", "-T", p.iqn, "-p", p.String(), "-I", "default", "-o", "update"}
	script := `exec "$@"`
	var env []string
	for _, s := range v.settings() {
		if !strings.Contains(s.key, "password") {
			words = append(words, "-n", s.key, "-v", s.value)
			continue
		}
		name := fmt.Sprintf("SECRET%d", len(env))
		env = append(env, name+"="+s.value)
		script += fmt.Sprintf(` -n %s -v "$%s"`, s.key, name)
	}
	return c.command(ctx, host.Command{Name: "sh", Args: append([]string{"-c", script, "sh"}, words...), Env: env})
}

// records returns the paths of the files that hold the record of a portal: in
// the database that was written last, a file of its own or one for each
// interface in a directory with the portal group in its name.
func (c *Connector) records(p portal) ([]string, error) {
	var newest []string
	var when int64
	for _, base := range databases() {
		name := filepath.Join(base, "nodes", p.iqn, fmt.Sprintf("%s,%d", p.address, p.port))
		files, err := c.filesAt(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			st, err := os.Stat(c.host.Path(file))
			if err == nil && (len(newest) == 0 || st.ModTime().UnixNano() > when) {
				newest, when = files, st.ModTime().UnixNano()
			}
		}
	}
	return newest, nil
}

// databaseKnown tells whether open-iscsi keeps its database where fuxi looks.
func (c *Connector) databaseKnown() bool {
	return slices.ContainsFunc(databases(), func(base string) bool {
		_, err := os.Stat(c.host.Path(base, "nodes"))
		return err == nil
	})
}

func (c *Connector) filesAt(name string) ([]string, error) {
	// The name is checked and holds no pattern but the brackets of no address.
	found, err := filepath.Glob(c.host.Path(name) + ",*/*")
	if err != nil {
		return nil, err
	}
	if st, err := os.Lstat(c.host.Path(name)); err == nil && st.Mode().IsRegular() {
		found = append(found, c.host.Path(name))
	}
	for i := range found {
		rel, err := filepath.Rel(c.host.Path(), found[i])
		if err != nil {
			return nil, err
		}
		found[i] = "/" + rel
	}
	return found, nil
}

// rewrite puts settings into a record. It appears as a whole, readable for root
// alone: iscsiadm reads either the old one or the new one. The portal's lock is
// held.
func (c *Connector) rewrite(ctx context.Context, p portal, file string, settings []setting) error {
	old, err := os.ReadFile(c.host.Path(file))
	if err != nil {
		return err
	}
	// The crossing is the file alone: what is written may be a password.
	defer trace.Cross(ctx, trace.Host, "rewrite "+file)()
	base, _, _ := strings.Cut(file, "/nodes/")
	temp, err := os.OpenFile(c.host.Path(base, p.draft()), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.WriteString(edit(string(old), settings))
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), c.host.Path(file))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// draft is the name of a portal's half-written record, in the database's own
// directory, where iscsiadm looks for no record. It is always the same: what a
// crash leaves, with the password in it, is found again.
func (p portal) draft() string {
	return fmt.Sprintf(".fuxi-%x", sha256.Sum256([]byte(p.iqn+" at "+p.String())))[:22]
}

// discardDraft removes what a crash left of a record.
func (c *Connector) discardDraft(p portal) error {
	for _, base := range databases() {
		if err := os.Remove(c.host.Path(base, p.draft())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// edit replaces the lines of the settings and adds those that are missing before
// the end mark. node.session.scan is only replaced: an open-iscsi that does not
// know it refuses the whole record.
func edit(record string, settings []setting) string {
	var out strings.Builder
	left := slices.Clone(settings)
	add := func(s setting) { fmt.Fprintf(&out, "%s = %s\n", s.key, s.value) }
	for line := range strings.Lines(record) {
		key, _, _ := strings.Cut(line, "=")
		at := slices.IndexFunc(left, func(s setting) bool { return s.key == strings.TrimSpace(key) })
		switch {
		case at >= 0:
			add(left[at])
			left = slices.Delete(left, at, at+1)
		case strings.HasPrefix(line, "# END RECORD"):
			for _, s := range left {
				if s.key != "node.session.scan" {
					add(s)
				}
			}
			left = nil
			out.WriteString(line)
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}
