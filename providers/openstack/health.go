package openstack

import (
	"sync"
	"time"
)

// Health is how the cloud has answered lately.
type Health struct {
	LastAnswer  time.Time // last answer that was not a failure of the cloud itself; zero if none yet
	LastErrorAt time.Time
	LastError   string // of the last failed call; kept after recovery
	Failures    int    // failed calls since the last answer
	Open        bool   // the circuit breaker is open
}

// Limits of the circuit breaker.
const (
	openAfter  = 3 // failures in a row
	firstPause = time.Second
	longPause  = 30 * time.Second
)

// breaker counts failures of the cloud as a whole. It only tells: a lookup of
// an unknown name may skip the cloud while it is open, a mount must not.
type breaker struct {
	mu     sync.Mutex
	health Health
	pause  time.Duration
	probe  time.Time // when one caller may try again
	trying bool      // one was let pass and has not failed yet
}

func (b *breaker) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.health.LastAnswer = time.Now()
	b.health.Failures = 0
	b.health.Open = false
	b.pause, b.trying = 0, false
}

func (b *breaker) failed(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.health.LastErrorAt, b.health.LastError = now, text
	b.health.Failures++
	if b.health.Failures < openAfter {
		return
	}
	// Sixty-four calls that fail together are one failure for the pause.
	if !b.health.Open || b.trying || !now.Before(b.probe) {
		b.pause = min(max(2*b.pause, firstPause), longPause)
		b.probe = now.Add(jitter(b.pause))
	}
	b.health.Open, b.trying = true, false
}

// open tells whether to skip the cloud. Once each pause it lets one caller
// pass, whose call then decides.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.health.Open {
		return false
	}
	now := time.Now()
	if now.Before(b.probe) {
		return true
	}
	b.probe, b.trying = now.Add(jitter(b.pause)), true
	return false
}

func (b *breaker) snapshot() Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health
}

// isOpen is open without letting anybody pass.
func (b *breaker) isOpen() bool { return b.snapshot().Open }
