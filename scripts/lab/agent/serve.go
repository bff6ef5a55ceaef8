package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"sync"
	"time"
)

func serve(address string) error {
	config := net.ListenConfig{KeepAliveConfig: keepAlive()}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if err := handle(&wire{conn: conn}); err != nil {
				log.Print(err)
			}
		}()
	}
}

// handle runs one command. It returns when the command has ended and its
// client knows, or is gone.
func handle(w *wire) error {
	k, text, err := w.receive()
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var req request
	if err := json.Unmarshal(text, &req); k != kindRequest || err != nil || len(req.Argv) == 0 {
		return fmt.Errorf("no request: kind %d, %q: %v", k, text, err)
	}
	c, err := start(req)
	if err != nil {
		_ = w.send(kindStderr, fmt.Appendf(nil, "%v\n", err))
		return w.send(kindStatus, []byte{notStarted(err)})
	}
	defer c.closeOutput()
	done := make(chan struct{})
	defer close(done)
	go watch(w, c)
	go beat(w, c, done)
	var pumps sync.WaitGroup
	pumps.Go(func() { pump(w, kindStdout, c.stdout) })
	pumps.Go(func() { pump(w, kindStderr, c.stderr) })
	status := c.wait()
	c.stdout.end()
	c.stderr.end()
	pumps.Wait()
	return w.send(kindStatus, []byte{status})
}

// watch hands input to the command, and ends it when the client goes away:
// the end of input is a frame, so the end of the connection is the client's.
// The command dies before its input closes, or it would take a client that
// was killed for the end of a complete input.
func watch(w *wire, c *command) {
	defer c.closeInput()
	for {
		k, data, err := w.receive()
		switch {
		case err != nil:
			c.kill()
			return
		case k == kindStdin && len(data) == 0:
			c.closeInput()
		case k == kindStdin:
			c.input(data)
		}
	}
}

// beat finds a client gone that watch cannot see, because it waits for a
// command that does not read its input.
func beat(w *wire, c *command, done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if w.send(kindStdout, nil) != nil {
				c.kill()
				return
			}
		}
	}
}

// pump stops at the first failure to send; watch sees the same and ends the command.
func pump(w *wire, k kind, s *stream) {
	buf := make([]byte, 32<<10)
	for {
		n, err := s.read(buf)
		if n > 0 && w.send(k, buf[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}
