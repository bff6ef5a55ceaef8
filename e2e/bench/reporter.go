package main

import (
	"fmt"
	"os"
	"sync"
)

// reporter is the rig.T of a program: failures end the run, cleaning up.
type reporter struct {
	mu       sync.Mutex
	failed   bool
	ended    bool
	cleanups []func()
}

// fatal is what Fatal and Fatalf panic with.
type fatal struct{ text string }

// Helper begins each of the rig's steps: after an interrupt none begins any
// more, so that nothing is made behind the cleaning up.
func (r *reporter) Helper() {
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	if ended {
		select {}
	}
}

// Logf says something on standard error, nothing any more after an interrupt.
func (r *reporter) Logf(format string, args ...any) {
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	if ended {
		return
	}
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

// Errorf notes a failure; the run goes on.
func (r *reporter) Errorf(format string, args ...any) {
	r.mu.Lock()
	r.failed = true
	r.mu.Unlock()
	r.Logf(format, args...)
}

// Fatal ends the run.
func (r *reporter) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the run.
func (r *reporter) Fatalf(format string, args ...any) {
	r.Helper()
	panic(fatal{fmt.Sprintf(format, args...)})
}

// Failed tells whether anything failed.
func (r *reporter) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Cleanup adds something to do at the end, last first.
func (r *reporter) Cleanup(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, fn)
}

// cleanup does it.
func (r *reporter) cleanup() {
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			return
		}
		fn := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		r.mu.Unlock()
		fn()
	}
}

// protect runs act and cleans up, whatever happens; true when it failed.
func (r *reporter) protect(act func()) (failed bool) {
	defer func() {
		if p := recover(); p != nil {
			f, ours := p.(fatal)
			if !ours {
				r.cleanup()
				panic(p)
			}
			r.Errorf("%s", f.text)
		}
		r.cleanup()
		failed = r.Failed()
	}()
	act()
	return false
}

// interrupt cleans up while the run stands still wherever it is.
func (r *reporter) interrupt() {
	r.Logf("interrupted, cleaning up")
	r.mu.Lock()
	r.ended, r.failed = true, true // what is left behind now is no finding
	r.mu.Unlock()
	r.cleanup()
}
