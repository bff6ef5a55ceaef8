package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/openstack/fuxi/volume"
)

// ErrNoDaemon means that no fuxi answers on the socket.
var ErrNoDaemon = errors.New("no daemon answers")

// unreachable is a text for the operator with a reason for programs.
type unreachable struct {
	reason error // ErrNoDaemon or fs.ErrPermission
	text   string
}

func (u *unreachable) Error() string { return u.text }

func (u *unreachable) Unwrap() error { return u.reason }

func (c *Client) silent(format string, args ...any) error {
	return &unreachable{reason: ErrNoDaemon, text: fmt.Sprintf(format, args...)}
}

func (c *Client) notFuxi() error {
	return c.silent("what answers on %s is not fuxi's admin socket (the one for Docker is another): give --socket or --config", c.socket)
}

// explain says what a failed connection means to an operator.
func (c *Client) explain(ctx context.Context, err error) error {
	var op *net.OpError
	dialing := errors.As(err, &op) && op.Op == "dial"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return volume.Errorf(volume.ErrUnavailable, "interrupted: what the daemon has begun goes on (fuxi status shows where it is)")
	case errors.Is(err, fs.ErrPermission):
		return &unreachable{fs.ErrPermission, fmt.Sprintf("no permission to use %s, which is root's: try sudo", c.socket)}
	case dialing && errors.Is(err, syscall.EINVAL):
		return c.silent("%s cannot be a socket: its path is too long", c.socket)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return c.silent("fuxi does not answer on %s in time: its log may tell why (journalctl -u fuxi)", c.socket)
	case dialing:
		return c.silent("no fuxi answers on %s: is it running? (systemctl status fuxi) or give --socket/--config", c.socket)
	case brokenOff(err):
		return c.silent("fuxi broke off before it answered on %s: was it stopped? (journalctl -u fuxi); what it had begun shows in fuxi status", c.socket)
	}
	return fmt.Errorf("asking fuxi on %s: %w", c.socket, err)
}

func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
