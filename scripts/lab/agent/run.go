package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"
)

// run runs the command at address and returns its exit status.
func run(address string, req request) int {
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAliveConfig: keepAlive()}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return complain("the machine does not answer: %v", err)
	}
	w := &wire{conn: conn}
	text, err := json.Marshal(req)
	if err != nil {
		return complain("the command is no text: %v", err)
	}
	if len(text) > maxFrame {
		return complain("the command has %d bytes; the most is %d", len(text), maxFrame)
	}
	if err := w.send(kindRequest, text); err != nil {
		return complain("the machine went away: %v", err)
	}
	if req.Stdin {
		go feed(w)
	}
	return follow(w)
}

// feed sends our standard input. A failure to send shows in follow.
func feed(w *wire) {
	buf := make([]byte, 32<<10)
	for {
		n, err := os.Stdin.Read(buf)
		if n > 0 && w.send(kindStdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			_ = w.send(kindStdin, nil)
			return
		}
	}
}

func follow(w *wire) int {
	for {
		k, data, err := w.receive()
		if err != nil {
			return complain("the machine went away: %v", err)
		}
		switch k {
		case kindStdout:
			_, err = os.Stdout.Write(data)
		case kindStderr:
			_, err = os.Stderr.Write(data)
		case kindStatus:
			if len(data) == 1 {
				return int(data[0])
			}
			err = fmt.Errorf("a status of %d bytes", len(data))
		}
		if err != nil {
			return complain("%v", err)
		}
	}
}

func complain(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "lab: "+format+"\n", args...)
	return noAnswer
}
