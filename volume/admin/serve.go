package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
	drain         = 2 * time.Second
)

// Serve answers calls on a unix socket until ctx ends, and closes it. Running
// calls then have two seconds to finish; what they ordered goes on in svc. The
// values of ctx, but not its end, reach every call.
func Serve(ctx context.Context, l net.Listener, svc Service, log *slog.Logger) error {
	detached := context.WithoutCancel(ctx)
	server := &http.Server{
		Handler:           Handler(svc, log),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return detached },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving operators on %s: %w", l.Addr(), err), server.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(detached, drain)
	defer cancel()
	if err := server.Shutdown(grace); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

// peer is who is at the other end of a connection, as the kernel noted when
// it was made. nil when it is not a unix socket.
type peer struct {
	pid      int32 // 0 in another pid namespace
	uid, gid uint32
}

// peerKey carries a *peer in a connection's context.
type peerKey struct{}

func withPeer(ctx context.Context, conn net.Conn) context.Context {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return ctx
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	ctrlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if ctrlErr != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, &peer{pid: cred.Pid, uid: cred.Uid, gid: cred.Gid})
}

func peerOf(ctx context.Context) *peer {
	p, _ := ctx.Value(peerKey{}).(*peer)
	return p
}

func (p *peer) attrs() []slog.Attr {
	if p == nil {
		return []slog.Attr{slog.String("uid", "unknown")}
	}
	return []slog.Attr{slog.Any("uid", p.uid), slog.Any("gid", p.gid), slog.Any("pid", p.pid)}
}
