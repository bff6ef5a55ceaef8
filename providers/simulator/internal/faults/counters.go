package faults

import (
	"maps"
	"sync"
)

// Counters counts requests by kind. It may be used concurrently.
type Counters struct {
	mu    sync.Mutex
	kinds map[string]int
}

// Add counts one request of this kind.
func (c *Counters) Add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[string]int{}
	}
	c.kinds[kind]++
}

// All returns a copy of the counts; it is never nil.
func (c *Counters) All() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		return map[string]int{}
	}
	return maps.Clone(c.kinds)
}

// Reset forgets all counts.
func (c *Counters) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds = nil
}
