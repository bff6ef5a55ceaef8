package volume

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// events keeps the newest things an operator should know, and logs each.
type events struct {
	mu  sync.Mutex
	log *slog.Logger
	all []Event
}

const eventsKept = 50

func (e *events) add(name, format string, args ...any) {
	ev := Event{At: time.Now().UTC(), Name: name, Text: fmt.Sprintf(format, args...)}
	e.mu.Lock()
	e.all = append(e.all, ev)
	if len(e.all) > eventsKept {
		e.all = append([]Event(nil), e.all[len(e.all)-eventsKept:]...)
	}
	log := e.log
	e.mu.Unlock()
	if log != nil {
		log.Warn(ev.Text, "volume", name)
	}
}

func (e *events) list() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Event(nil), e.all...)
}
