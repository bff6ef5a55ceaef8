package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/docker/go-plugins-helpers/sdk"

	"github.com/openstack/fuxi/volume"
)

// keepBuffer bounds what a rare long answer leaves allocated.
const keepBuffer = 4 << 20

// call is one request on its way through the door.
type call struct {
	verb
	w       http.ResponseWriter
	r       *http.Request
	started time.Time
	volume  string
	id      string
	// undo takes back what was done for a caller who is gone; nil if nothing.
	undo func(context.Context) error
	// notes end up in the call's line of the log.
	notes []slog.Attr
}

func (c *call) read(into any) error { return readBody(c.w, c.r, into) }

// handler takes a call through the door: do, answer, log.
func (d *Door) handler(v verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.running.Add(1)
		defer d.running.Add(-1)
		c := &call{verb: v, w: w, r: r, started: time.Now()}
		ctx, cancel := context.WithTimeout(r.Context(), v.budget)
		defer cancel()
		buf := d.buffers.Get().(*[]byte)
		defer d.recycle(buf)

		err := d.perform(ctx, c, buf)
		if c.mustAbort(err) {
			d.report(c, err, true)
			panic(http.ErrAbortHandler)
		}
		d.deliver(c, err, buf)
		d.report(c, err, false)
	}
}

// perform does the call and leaves the encoded answer in buf. A panic becomes
// an error, for the user as for the log.
func (d *Door) perform(ctx context.Context, c *call, buf *[]byte) (err error) {
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler {
			panic(p)
		}
		if p != nil {
			err = fmt.Errorf("%s failed by a defect in fuxi: %v; its log has the details", c.name, p)
			c.note("stack", string(debug.Stack()))
		}
	}()
	reply, err := c.do(ctx, c)
	if err != nil {
		return err
	}
	*buf, err = reply((*buf)[:0])
	return err
}

// mustAbort tells whether no answer is better than this one.
func (c *call) mustAbort(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, errNoRequest) || c.guarded && !errors.Is(err, volume.ErrNotFound)
}

// deliver sends the answer or the error. When nobody is there to take it, what
// was done is undone: dockerd sends no Unmount for a Mount that it gave up.
func (d *Door) deliver(c *call, err error, buf *[]byte) {
	code := http.StatusOK
	if err != nil {
		// With 200 the user sees this text as it is; with any other code dockerd
		// prefixes it with the name of the call.
		*buf = append(appendString(append((*buf)[:0], `{"Err":`...), err.Error()), "}\n"...)
	}
	if errors.Is(err, errBadRequest) {
		code = http.StatusBadRequest
	}
	lost := c.r.Context().Err()
	if lost == nil {
		lost = c.send(code, *buf)
	}
	if lost == nil {
		return
	}
	c.note("undelivered", lost.Error())
	if c.undo == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), shortBudget)
	defer cancel()
	if err := c.undo(ctx); err != nil {
		c.note("undo_failed", err.Error())
		return
	}
	c.note("undone", true)
}

func (c *call) send(code int, body []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", sdk.DefaultContentTypeV1_1)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(code)
	if _, err := c.w.Write(body); err != nil {
		return err
	}
	if c.undo == nil {
		return nil
	}
	// Without the flush a failure shows only after the handler returned. Once
	// it has succeeded the caller may have taken the answer and hung up, so
	// from here on a cancelled context says nothing.
	return http.NewResponseController(c.w).Flush()
}

func (c *call) note(key string, value any) { c.notes = append(c.notes, slog.Any(key, value)) }

// report writes the call's one line.
func (d *Door) report(c *call, err error, aborted bool) {
	level := slog.LevelInfo
	switch {
	case err != nil && !(c.guarded && errors.Is(err, volume.ErrNotFound)):
		level = slog.LevelWarn
	case len(c.notes) > 0:
		level = slog.LevelWarn
	case c.quiet:
		level = slog.LevelDebug
	}
	ctx := c.r.Context()
	if !d.log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8), slog.String("operation", c.name))
	if c.volume != "" {
		attrs = append(attrs, slog.String("volume", c.volume))
	}
	if c.id != "" {
		attrs = append(attrs, slog.String("id", c.id))
	}
	attrs = append(attrs, slog.Duration("took", time.Since(c.started)))
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	d.log.LogAttrs(ctx, level, "docker call", append(attrs, c.notes...)...)
}

func (d *Door) recycle(buf *[]byte) {
	if cap(*buf) <= keepBuffer {
		d.buffers.Put(buf)
	}
}
