package iscsi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// Exit codes of iscsiadm (iscsiadm(8)).
const (
	exitSessionNotFound = 2
	exitTransport       = 4
	exitLogin           = 5
	exitDatabase        = 6
	exitTimeout         = 8
	exitSessionExists   = 15
	exitDaemonBroke     = 18
	exitLoginFatal      = 19
	exitNoDaemon        = 20
	exitNothing         = 21
	exitRefused         = 24
	exitBusy            = 28
)

const (
	// commandLimit is what a command that only asks the daemon or the database may
	// take. iscsiadm itself would wait 30 s for its database and minutes for iscsid.
	commandLimit = 20 * time.Second
	// loginLimit is when iscsid has long given up a login with our settings.
	loginLimit = 25 * time.Second
	// databasePatience is how long a locked database is tried again.
	databasePatience = 5 * time.Second
)

// failure is an exit code of iscsiadm that was no success.
type failure struct {
	code  int
	words string
}

// Error tells what the code means and what to do next.
func (f failure) Error() string {
	meaning := map[int]string{
		exitTransport:   "the portal cannot be reached: check the network to it",
		exitTimeout:     "the portal did not answer in time, or it does not know the target: check the network to it",
		exitLogin:       "the login failed",
		exitDatabase:    "open-iscsi's database is locked or damaged",
		exitDaemonBroke: "iscsid did not answer: see its log",
		exitLoginFatal:  "the target refused the login for good",
		exitNoDaemon:    "iscsid is not running: start it with `systemctl start iscsid`, on this host and not in a container",
		exitRefused:     "the target refused the credentials",
	}[f.code]
	if meaning == "" {
		return fmt.Sprintf("iscsiadm exit code %d: %s", f.code, f.words)
	}
	return fmt.Sprintf("%s (iscsiadm exit code %d)", meaning, f.code)
}

// exits tells whether err is one of these exit codes.
func exits(err error, codes ...int) bool {
	var f failure
	if !errors.As(err, &f) {
		return false
	}
	for _, code := range codes {
		if f.code == code {
			return true
		}
	}
	return false
}

// iscsiadm runs one command of open-iscsi's.
func (c *Connector) iscsiadm(ctx context.Context, args ...string) error {
	return c.command(ctx, host.Command{Name: "iscsiadm", Args: args})
}

// command runs iscsiadm under its limit. A database that somebody else has
// locked is tried again for a while.
func (c *Connector) command(ctx context.Context, cmd host.Command) error {
	until := time.Now().Add(databasePatience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := c.commandOnce(ctx, cmd)
		if !exits(err, exitDatabase, exitBusy) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (c *Connector) commandOnce(ctx context.Context, cmd host.Command) error {
	if freed, err := c.host.FreeISCSIDatabase(); err != nil {
		return fmt.Errorf("looking whether open-iscsi's database is locked by a process that is gone: %w", err)
	} else if freed {
		c.notice(ctx, "open-iscsi's database was locked by an iscsiadm that is gone; the lock was taken away")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("no answer within %s: is iscsid running?", commandLimit))
	defer cancel()
	res, err := c.host.Run(ctx, cmd)
	if err != nil {
		return err
	}
	if res.ExitCode == 0 {
		return nil
	}
	return failure{code: res.ExitCode, words: res.LastWords()}
}

// login logs in to a portal whose record is prepared. A login once sent is not
// given up because the caller left: iscsid would finish it behind our back, and
// the session would belong to nobody.
func (c *Connector) login(ctx context.Context, v volume, p portal) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginLimit)
	defer cancel()
	err := c.iscsiadm(ctx, "-m", "node", "-T", p.iqn, "-p", p.String(), "-I", "default", "--login")
	switch {
	case exits(err, exitSessionExists):
		return nil
	case exits(err, exitRefused, exitLoginFatal):
		return fmt.Errorf("log in to %s at %s as %q: %w", p.iqn, p, v.auth.user, err)
	case err != nil:
		return fmt.Errorf("log in to %s at %s: %w", p.iqn, p, err)
	}
	return nil
}

// logout ends a session. One that is gone already is success.
func (c *Connector) logout(ctx context.Context, s host.ISCSISession) error {
	err := c.iscsiadm(ctx, "-m", "session", "-r", strconv.Itoa(s.ID), "-u")
	if err != nil && !exits(err, exitNothing, exitSessionNotFound) {
		return fmt.Errorf("log out of %s (session %d): %w", s.Target, s.ID, err)
	}
	return nil
}

// forget deletes the record of a portal, and the password with it. One that is
// gone already is success. The portal's lock is held.
func (c *Connector) forget(ctx context.Context, p portal) error {
	if err := c.discardDraft(p); err != nil {
		return err
	}
	files, err := c.records(p)
	if err == nil && len(files) == 0 && c.databaseKnown() {
		return nil
	}
	err = c.iscsiadm(ctx, "-m", "node", "-T", p.iqn, "-p", p.String(), "-o", "delete")
	if err != nil && !exits(err, exitNothing) {
		return fmt.Errorf("delete the record of %s at %s: %w", p.iqn, p, err)
	}
	return nil
}
