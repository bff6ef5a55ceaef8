package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/openstack/fuxi/volume"
)

const (
	maxBody      = 256 << 10
	bodyTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	// lookBudget bounds the calls that only look: they answer from memory, or
	// wait for a daemon that is still starting.
	lookBudget    = 5 * time.Second
	versionBudget = 200 * time.Millisecond
)

// server answers operators' calls.
type server struct {
	svc Service
	log *slog.Logger
}

// Handler answers the calls of a Client by means of svc. Every call that
// changes something leaves two lines in the log, before and after, with the
// uid of who ordered it; the uid is known on connections that Serve accepted.
func Handler(svc Service, log *slog.Logger) http.Handler {
	s := &server{svc: svc, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathVersion, look(s.version))
	mux.HandleFunc("GET "+pathStatus, look(func(ctx context.Context, _ *http.Request) (volume.Status, error) { return svc.Status(ctx) }))
	mux.HandleFunc("GET "+pathVolumes, look(s.infos))
	mux.HandleFunc("GET "+pathVolume, look(func(ctx context.Context, r *http.Request) (volume.Info, error) {
		return svc.Get(ctx, r.URL.Query().Get("name"))
	}))
	mux.HandleFunc("POST "+pathCreate, act(s, "create", func(ctx context.Context, req createRequest) (done, error) {
		return done{}, svc.Create(ctx, req.Name, req.Options)
	}))
	mux.HandleFunc("POST "+pathRemove, act(s, "remove", func(ctx context.Context, req removeRequest) (done, error) {
		return done{}, svc.Remove(ctx, req.Name)
	}))
	mux.HandleFunc("POST "+pathFormat, act(s, "format", func(ctx context.Context, req volume.FormatRequest) (done, error) {
		return done{}, svc.Format(ctx, req)
	}))
	mux.HandleFunc("POST "+pathGrow, act(s, "grow", svc.Grow))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, volume.Errorf(volume.ErrInvalid, "this fuxi does not know %s %s: is the command newer than the daemon?", r.Method, r.URL.Path))
	})
	return mux
}

// version never fails: it is also how a Client sees that fuxi answers.
func (s *server) version(ctx context.Context, _ *http.Request) (versionReply, error) {
	ctx, cancel := context.WithTimeout(ctx, versionBudget)
	defer cancel()
	status, err := s.svc.Status(ctx)
	if err != nil {
		return versionReply{}, nil
	}
	return versionReply{Fuxi: status.Version}, nil
}

func (s *server) infos(ctx context.Context, _ *http.Request) ([]volume.Info, error) {
	infos, err := s.svc.Infos(ctx)
	if infos == nil {
		infos = []volume.Info{}
	}
	return infos, err
}

// look makes a handler of a call that changes nothing.
func look[T any](do func(context.Context, *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), lookBudget)
		defer cancel()
		reply, err := do(ctx, r)
		if err != nil {
			refuse(w, err)
			return
		}
		send(w, http.StatusOK, reply)
	}
}

// order is the body of a call that changes something.
type order interface {
	createRequest | removeRequest | volume.FormatRequest | volume.GrowRequest
}

// done answers an order of which there is nothing to tell.
type done struct{}

// act makes a handler of a call that changes something. It has no time limit
// of its own: the Service has one, and a caller who leaves ends the waiting.
func act[T order, R any](s *server, operation string, do func(context.Context, T) (R, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req T
		if err := readBody(w, r, &req); err != nil {
			refuse(w, err)
			return
		}
		started := time.Now()
		attrs := append([]slog.Attr{slog.String("operation", operation)}, about(req)...)
		attrs = append(attrs, peerOf(r.Context()).attrs()...)
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "an operator ordered", attrs...)
		reply, err := do(r.Context(), req)
		attrs = append(attrs, slog.Duration("took", time.Since(started)))
		if err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "an operator's order failed", append(attrs, slog.String("error", err.Error()))...)
			refuse(w, err)
			return
		}
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "an operator's order is done", attrs...)
		send(w, http.StatusOK, reply)
	}
}

// about is what the log tells of an order. Options stay out: users put what
// they like into metadata.
func about(req any) []slog.Attr {
	switch req := req.(type) {
	case createRequest:
		return []slog.Attr{slog.String("volume", req.Name)}
	case removeRequest:
		return []slog.Attr{slog.String("volume", req.Name)}
	case volume.FormatRequest:
		return []slog.Attr{slog.String("volume", req.Name), slog.String("id", req.ID), slog.Bool("erase", req.Erase), slog.String("fstype", req.FSType)}
	case volume.GrowRequest:
		return []slog.Attr{slog.String("volume", req.Name), slog.Int("size_gib", req.SizeGiB)}
	}
	return nil
}

// readBody decodes the whole body of r.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	conn := http.NewResponseController(w)
	// Not every writer has deadlines; one that has none cannot stall either.
	_ = conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	body := http.MaxBytesReader(w, r.Body, maxBody)
	err := decode(body, into)
	// The server goes on reading to learn whether the caller is still there.
	_ = conn.SetReadDeadline(time.Time{})
	return err
}

// decode accepts exactly one JSON value. A field it does not know is an error:
// a newer command may have meant something by it that changes the order.
func decode(body io.Reader, into any) error {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return volume.Errorf(volume.ErrInvalid, "the request is longer than %d bytes", maxBody)
		}
		return volume.Errorf(volume.ErrInvalid, "the request cannot be read: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return volume.Errorf(volume.ErrInvalid, "the request cannot be read: something follows it")
	}
	return nil
}

func refuse(w http.ResponseWriter, err error) {
	f, code := failureOf(err)
	send(w, code, f)
}

// send encodes before it writes, so that no answer is cut short by a defect.
func send(w http.ResponseWriter, code int, reply any) {
	body, err := json.Marshal(reply)
	if err != nil {
		code, body = http.StatusInternalServerError, fmt.Appendf(nil, `{"error":%q}`, err)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // whoever asked has left: there is nobody to tell
}
