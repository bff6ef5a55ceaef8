package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A connection carries one command. Each side sends frames: a kind, a length
// of four bytes, and that many bytes.
type kind byte

const (
	kindRequest kind = iota // to the server, first: a request as JSON
	kindStdin               // to the server; an empty one is the end of input
	kindStdout
	kindStderr
	kindStatus // to the client, last: one byte
)

const maxFrame = 64 << 10

type request struct {
	Argv  []string
	Stdin bool // frames of kindStdin follow; else the command reads /dev/null
}

// keepAlive makes a machine that lost its power, and so says nothing, known
// within 20 s; a machine that is only slow has a kernel that answers.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 15}
}

// wire sends frames whole, from any number of goroutines.
type wire struct {
	mu   sync.Mutex
	conn net.Conn
}

func (w *wire) send(k kind, data []byte) error {
	frame := make([]byte, 5, 5+len(data))
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(data)))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.conn.Write(append(frame, data...))
	return err
}

func (w *wire) receive() (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes, more than the %d a peer of ours sends", n, maxFrame)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(w.conn, data)
	return kind(head[0]), data, err
}
