package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// FromEnvironment returns the recorders that a test asks of the shipped
// binary, none by default:
//
//	FUXI_TRACE=FILE        append one JSON line for each crossing that ended
//	FUXI_KILL_AT=N:before  end the process with SIGKILL before crossing N
//	FUXI_KILL_AT=N:after   … after it took effect, before its caller goes on
//
// Crossings are counted from 1, waits apart. A SIGKILL runs no deferred call
// and flushes no buffer: it is the crash that a power-off or an OOM is.
func FromEnvironment() ([]Recorder, error) {
	var out []Recorder
	if path := os.Getenv("FUXI_TRACE"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("FUXI_TRACE: %w", err)
		}
		out = append(out, &lines{out: f, start: time.Now()})
	}
	if spec := os.Getenv("FUXI_KILL_AT"); spec != "" {
		k, err := parseKill(spec)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

func parseKill(spec string) (*killer, error) {
	number, when, ok := strings.Cut(spec, ":")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || when != "before" && when != "after" {
		return nil, fmt.Errorf("FUXI_KILL_AT %q: want N:before or N:after, N from 1", spec)
	}
	return &killer{at: n, after: when == "after"}, nil
}

// lines writes each crossing as one line, in the order of their ends.
type lines struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	n     int
}

// Line is one crossing in the file of FUXI_TRACE.
type Line struct {
	N    int `json:"n"` // counted at the beginning of crossings, from 1; 0 for waits
	Step     // Begin counts from the start of the process
}

func (l *lines) Cross(kind Kind, what string) func() {
	l.mu.Lock()
	n := 0
	if kind != Wait {
		l.n++
		n = l.n
	}
	l.mu.Unlock()
	begin := time.Since(l.start)
	return func() {
		took := time.Since(l.start) - begin
		l.mu.Lock()
		defer l.mu.Unlock()
		data, err := json.Marshal(Line{N: n, Step: Step{Kind: kind, What: what, Begin: begin, Took: took}})
		if err == nil {
			_, _ = l.out.Write(append(data, '\n'))
		}
	}
}

// killer ends the process at one crossing.
type killer struct {
	mu    sync.Mutex
	n     int
	at    int
	after bool
}

func (k *killer) Cross(kind Kind, _ string) func() {
	if kind == Wait {
		return func() {}
	}
	k.mu.Lock()
	k.n++
	here := k.n == k.at
	k.mu.Unlock()
	if !here {
		return func() {}
	}
	if !k.after {
		die()
	}
	return die
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way; nothing more may happen here
}
