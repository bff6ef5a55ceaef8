package pretend

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// Faults are what goes wrong; all may change at any time (Machine.Set).
type Faults struct {
	IscsidDown     bool
	MultipathdDown bool
	// DeadPortals do not answer: logins there time out.
	DeadPortals []string
	// DatabaseBusy commands on the node database fail yet.
	DatabaseBusy int
	// Late is how long a scan takes to show a disk after it returned.
	Late time.Duration
	// LateRemoval is how long multipathd takes to hear that a disk went. It
	// knows disks by name: by then the name may be another's.
	LateRemoval time.Duration
	// KeepsPaths: multipathd does not hear at all that a disk went.
	KeepsPaths bool
	// KeepsMaps: a map stays when its last path went, as one that is read from
	// at that moment does.
	KeepsMaps bool
	// HangDelete holds up writes to delete files until it is closed.
	HangDelete chan struct{}
	// Answers are given instead of doing what the command says.
	Answers []*Answer
}

// Answer replaces what commands do whose words contain Match.
type Answer struct {
	Match  string
	Times  int           // how often; 0 is always
	Hang   chan struct{} // hold the command up until it is closed or killed
	Result host.Result
	// Also does what the command says first.
	Also bool
	seen int
}

// Answer makes the commands that contain match say this instead.
func (m *Machine) Answer(a *Answer) { m.Set(func(f *Faults) { f.Answers = append(f.Answers, a) }) }

// answer returns the first that fits and is not used up.
func (m *Machine) answer(words string) *Answer {
	for _, a := range m.faults.Answers {
		if strings.Contains(words, a.Match) && (a.Times == 0 || a.seen < a.Times) {
			a.seen++
			return a
		}
	}
	return nil
}

// give waits as long as the answer hangs.
func (a *Answer) give(ctx context.Context, c host.Command) (host.Result, error) {
	if a.Hang != nil {
		select {
		case <-a.Hang:
		case <-ctx.Done():
			return killed(ctx, c)
		}
	}
	return a.Result, nil
}

// killed is what the Runner answers for a command that did not end in time.
func killed(ctx context.Context, c host.Command) (host.Result, error) {
	return host.Result{ExitCode: -1}, fmt.Errorf("%s: killed: %w: it said nothing", c.Name, context.Cause(ctx))
}
