package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	maxBody     = 1 << 20
	bodyTimeout = 10 * time.Second
)

// errNoRequest: dockerd repeats a request after a broken connection, but its
// buffer is drained by then, so the repetition comes with an empty body. Acting
// on it, or calling it an error, would be an answer to a question never asked.
var errNoRequest = errors.New("the request's body is empty or cut short")

// errBadRequest: whoever sent this is not dockerd.
var errBadRequest = errors.New("the request's body is not what this call needs")

// readBody decodes the whole body of r into the request type of one call. The
// error is errNoRequest or errBadRequest.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	conn := http.NewResponseController(w)
	// Not every writer has deadlines; one that has none cannot stall either.
	_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	// The server goes on reading to learn whether the caller is still there.
	_ = conn.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: longer than %d bytes", errBadRequest, maxBody)
	case err != nil:
		return fmt.Errorf("%w: %w", errNoRequest, err)
	}
	return decode(body, into)
}

// decode accepts exactly one JSON value, with fields it does not know.
func decode(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	// Only a decoder of streams tells a value cut short from a bad one.
	cut := json.NewDecoder(bytes.NewReader(body)).Decode(new(json.RawMessage))
	if errors.Is(cut, io.EOF) || errors.Is(cut, io.ErrUnexpectedEOF) {
		return errNoRequest
	}
	return fmt.Errorf("%w: %w", errBadRequest, err)
}
