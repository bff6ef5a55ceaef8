package trace

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"
)

// Steps is a Recorder that remembers every crossing of one operation: what it
// was, when it began (since the operation's start) and how long it took.
type Steps struct {
	mu    sync.Mutex
	start time.Time
	all   []Step
}

// Step is one crossing that ended.
type Step struct {
	Kind  Kind          `json:"kind"`
	What  string        `json:"what"`
	Begin time.Duration `json:"begin"` // nanoseconds since the operation's start
	Took  time.Duration `json:"took"`  // nanoseconds
}

// NewSteps starts the clock of an operation.
func NewSteps() *Steps { return &Steps{start: time.Now()} }

// Cross implements Recorder.
func (s *Steps) Cross(kind Kind, what string) func() {
	begin := time.Since(s.start)
	return func() {
		took := time.Since(s.start) - begin
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, Step{Kind: kind, What: what, Begin: begin, Took: took})
	}
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
	parts := []string{fmt.Sprintf("own=%s total=%s", own.Round(time.Microsecond), total.Round(time.Microsecond))}
	for _, st := range s.All() {
		parts = append(parts, fmt.Sprintf("%s:%q=%s", st.Kind, st.What, st.Took.Round(time.Microsecond)))
	}
	return strings.Join(parts, " ")
}
