package trace

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Steps is a Recorder that remembers every crossing of one operation: what it
// was, when it began (since the operation's start) and how long it took.
type Steps struct {
	mu    sync.Mutex
	start time.Time
	cpu   time.Duration // of the process at the start
	all   []Step

	foreign int           // crossings under way that are not the operation's own
	left    time.Duration // CPU time of the process when the last of them ended
	ownCPU  time.Duration // spent while there was none
}

// Step is one crossing that ended.
type Step struct {
	Kind  Kind          `json:"kind"`
	What  string        `json:"what"`
	Begin time.Duration `json:"begin"` // nanoseconds since the operation's start
	Took  time.Duration `json:"took"`  // nanoseconds
}

// NewSteps starts the clock of an operation.
func NewSteps() *Steps {
	now := processTime()
	return &Steps{start: time.Now(), cpu: now, left: now}
}

// Cross implements Recorder.
func (s *Steps) Cross(kind Kind, what string) func() {
	s.away(kind, 1)
	begin := time.Since(s.start)
	return func() {
		took := time.Since(s.start) - begin
		s.away(kind, -1)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, Step{Kind: kind, What: what, Begin: begin, Took: took})
	}
}

// away counts the crossings under way that are not the operation's own.
func (s *Steps) away(kind Kind, more int) {
	if kind == Journal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign == 0 {
		s.ownCPU += processTime() - s.left
	}
	if s.foreign += more; s.foreign == 0 {
		s.left = processTime()
	}
}

// processTime is the CPU time that this process has taken so far, all threads
// together, its children apart.
func processTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) // cannot fail for the process itself
	return time.Duration(t.Nano())
}

// All returns the crossings so far, in the order in which they ended.
func (s *Steps) All() []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Step(nil), s.all...)
}

// Own is the operation's own time so far: the total less cloud calls, host
// acts and device waits, overlapping ones counted once. Journal writes are
// the operation's own.
func (s *Steps) Own() (own, total time.Duration) {
	total = time.Since(s.start)
	var foreign []Step
	for _, st := range s.All() {
		if st.Kind != Journal {
			foreign = append(foreign, st)
		}
	}
	return total - covered(foreign), total
}

// CPU is what the whole process computed so far since the operation's start,
// whatever for: own while no cloud call, host act or device wait was under way,
// and all of it. Where processors are short, own time is mostly waiting for one;
// this is not, and counts all other threads of the process too.
func (s *Steps) CPU() (own, all time.Duration) {
	now := processTime()
	s.mu.Lock()
	defer s.mu.Unlock()
	own = s.ownCPU
	if s.foreign == 0 {
		own += now - s.left
	}
	return own, now - s.cpu
}

// covered is the length of the union of the steps' intervals.
func covered(steps []Step) time.Duration {
	sort.Slice(steps, func(i, j int) bool { return steps[i].Begin < steps[j].Begin })
	var sum, until time.Duration
	for _, st := range steps {
		end := st.Begin + st.Took
		if end <= until {
			continue
		}
		sum += end - max(st.Begin, until)
		until = end
	}
	return sum
}

// Summary is one line: own and total time, then every step in order.
func (s *Steps) Summary() string {
	own, total := s.Own()
	ownCPU, cpu := s.CPU()
	parts := []string{fmt.Sprintf("own=%s total=%s own_cpu=%s cpu=%s", own.Round(time.Microsecond), total.Round(time.Microsecond),
		ownCPU.Round(time.Microsecond), cpu.Round(time.Microsecond))}
	for _, st := range s.All() {
		parts = append(parts, fmt.Sprintf("%s:%q=%s", st.Kind, st.What, st.Took.Round(time.Microsecond)))
	}
	return strings.Join(parts, " ")
}
