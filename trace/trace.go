// Package trace marks every crossing of a seam between fuxi and the world: a
// cloud call, a host command or mount, a journal write, a wait for a device.
// Whoever listens learns what an operation cost and where, and a test can end
// the process exactly before or after any crossing. Nobody listens by default.
package trace

import "context"

// Kind is the seam that is crossed.
type Kind string

// The seams. Wait is time spent waiting for a device or a state, not an act.
const (
	Cloud   Kind = "cloud"
	Host    Kind = "host"
	Journal Kind = "journal"
	Wait    Kind = "wait"
)

// Recorder sees every crossing made under a context that carries it. Cross is
// called before the act; the function it returns is called once, after the act
// took effect and before its caller goes on. Both may be called from many
// goroutines at once.
type Recorder interface {
	Cross(kind Kind, what string) (done func())
}

type recorderKey struct{}

// WithRecorder returns a context whose crossings r sees too, after those
// recorders that ctx already carries.
func WithRecorder(ctx context.Context, r Recorder) context.Context {
	outer, _ := ctx.Value(recorderKey{}).([]Recorder)
	all := append(append([]Recorder{}, outer...), r)
	return context.WithValue(ctx, recorderKey{}, all)
}

// Cross announces one crossing and returns the function to call when the act
// has taken effect. It costs nothing to speak of when nobody listens.
//
//	done := trace.Cross(ctx, trace.Host, "umount2 "+target)
//	err := unix.Unmount(target, 0)
//	done()
func Cross(ctx context.Context, kind Kind, what string) (done func()) {
	all, _ := ctx.Value(recorderKey{}).([]Recorder)
	if len(all) == 0 {
		return func() {}
	}
	ends := make([]func(), len(all))
	for i, r := range all {
		ends[i] = r.Cross(kind, what)
	}
	return func() {
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
		}
	}
}
