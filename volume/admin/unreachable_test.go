package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"
)

// TestNoPermission gives explain what a dial fails with for all but root, to
// whom no file is closed.
func TestNoPermission(t *testing.T) {
	c := &Client{socket: "/s"}
	err := c.explain(t.Context(), &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNoDaemon) || err.Error() != "no permission to use /s, which is root's: try sudo" {
		t.Errorf("got %v", err)
	}
}
