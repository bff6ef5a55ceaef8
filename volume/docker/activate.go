package docker

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// activated returns the socket for path that systemd passed to this process,
// nil if systemd passed none at all. With it, calls queue while fuxi restarts,
// instead of reaching it with an empty body. The socket's file is systemd's,
// so closing the listener leaves it. It can be called once: the sockets are
// taken out of the environment, so that no child believes they are its own.
func activated(path string) (net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var ours net.Listener
	var others []string
	for _, l := range all {
		switch {
		case l == nil:
			others = append(others, "something that is no socket to listen on")
		case ours == nil && sameSocket(l, path):
			ours = l
		default:
			others = append(others, l.Addr().String())
			_ = l.Close()
		}
	}
	if ours == nil {
		return nil, fmt.Errorf("systemd passed no socket for %s but %s; make ListenStream= in the socket unit and fuxi's configuration agree",
			path, strings.Join(others, ", "))
	}
	return ours, nil
}

func sameSocket(l net.Listener, path string) bool {
	addr, ok := l.Addr().(*net.UnixAddr)
	if !ok {
		return false
	}
	if addr.Name == path {
		return true
	}
	a, errA := os.Stat(addr.Name)
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}
