package main

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stream is what a command writes. After the command's end it yields what is
// left and then io.EOF, even while a daemon the command left behind holds the
// pipe open.
type stream struct {
	file  *os.File
	ended atomic.Bool
	left  int // how much more to read after the end: no daemon keeps us for ever
}

func newStream() (*stream, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return &stream{file: r, left: 1 << 20}, w, nil
}

// end says that the command has ended and wakes a reader that waits.
func (s *stream) end() {
	s.ended.Store(true)
	_ = s.file.SetReadDeadline(time.Unix(1, 0))
}

// read waits for output as long as the command runs.
func (s *stream) read(buf []byte) (int, error) {
	if !s.ended.Load() {
		n, err := s.file.Read(buf)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	return s.rest(buf)
}

// rest reads without waiting. All that the ended command wrote is in the pipe.
func (s *stream) rest(buf []byte) (n int, err error) {
	if err := s.file.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		n, readErr = unix.Read(int(fd), buf)
		return true
	})
	s.left -= n
	if n <= 0 || s.left <= 0 {
		return max(n, 0), errors.Join(err, readErr, io.EOF)
	}
	return n, err
}

func (s *stream) close() { _ = s.file.Close() }
