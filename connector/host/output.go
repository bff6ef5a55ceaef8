package host

import (
	"fmt"
	"sync"
)

// Bounds of one captured output. The end is worth more than the middle: tools
// say last why they failed.
const (
	outputHead = 48 << 10
	outputTail = 16 << 10
)

// boundedOutput keeps the head and the tail of what is written to it. It may be
// read while a process that was left behind still writes.
type boundedOutput struct {
	mu   sync.Mutex
	head []byte
	tail []byte
	cut  int64
}

// Write implements io.Writer and never fails.
func (b *boundedOutput) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(p), outputHead-len(b.head))
	b.head = append(b.head, p[:n]...)
	b.tail = append(b.tail, p[n:]...)
	if over := len(b.tail) - outputTail; over > 0 {
		b.cut += int64(over)
		b.tail = append(b.tail[:0], b.tail[over:]...)
	}
	return len(p), nil
}

// Bytes returns a copy of what was kept, saying how much is missing.
func (b *boundedOutput) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := append([]byte{}, b.head...)
	if b.cut > 0 {
		out = fmt.Appendf(out, "\n[output truncated: %d bytes cut]\n", b.cut)
	}
	return append(out, b.tail...)
}
