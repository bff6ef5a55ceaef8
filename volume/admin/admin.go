// Package admin is the daemon's second door: an operator's commands reach the
// running daemon over HTTP and JSON on a unix socket that only root may open.
// Both sides are here, so that what one sends the other understands.
package admin

import (
	"context"
	"errors"

	"github.com/openstack/fuxi/volume"
)

// Service does what an operator asks for. volume.Service implements it in the
// daemon and Client everywhere else; the errors are the same on both sides:
// texts for people, kinds for errors.Is.
type Service interface {
	Create(ctx context.Context, name string, raw map[string]string) error
	Remove(ctx context.Context, name string) error
	Get(ctx context.Context, name string) (volume.Info, error)
	Infos(ctx context.Context) ([]volume.Info, error)
	Status(ctx context.Context) (volume.Status, error)
	Format(ctx context.Context, req volume.FormatRequest) error
	Grow(ctx context.Context, req volume.GrowRequest) (volume.Grown, error)
}

const (
	pathVersion = "/v1/version"
	pathVolumes = "/v1/volumes"
	pathVolume  = "/v1/volume"
	pathStatus  = "/v1/status"
	pathCreate  = "/v1/create"
	pathRemove  = "/v1/remove"
	pathFormat  = "/v1/format"
	pathGrow    = "/v1/grow"
)

// versionReply answers pathVersion.
type versionReply struct {
	Fuxi string `json:"fuxi"` // the daemon's version; "" while it starts
}

// createRequest is the body of pathCreate.
type createRequest struct {
	Name    string            `json:"name"`
	Options map[string]string `json:"options,omitempty"`
}

// removeRequest is the body of pathRemove.
type removeRequest struct {
	Name string `json:"name"`
}

// failure is the body of every answer that is not 200.
type failure struct {
	Kind      string `json:"kind,omitempty"` // one of kindNames; "" is a defect
	Text      string `json:"error"`
	Ambiguous bool   `json:"ambiguous,omitempty"`
}

// kindName is how one kind of error travels.
type kindName struct {
	kind error
	name string
	code int // HTTP status
}

func kindNames() []kindName {
	return []kindName{
		{volume.ErrNotFound, "not_found", 404},
		{volume.ErrConflict, "conflict", 409},
		{volume.ErrInUse, "in_use", 423},
		{volume.ErrInvalid, "invalid", 400},
		{volume.ErrUnsafe, "unsafe", 422},
		{volume.ErrUnavailable, "unavailable", 503},
	}
}

// failureOf turns an error into what travels, and its HTTP status.
func failureOf(err error) (failure, int) {
	f := failure{Text: err.Error(), Ambiguous: volume.IsAmbiguous(err)}
	kind := volume.KindOf(err)
	for _, k := range kindNames() {
		if k.kind == kind {
			f.Kind = k.name
			return f, k.code
		}
	}
	return f, 500
}

// err is the error that failureOf was given, as far as it travels.
func (f failure) err() error {
	for _, k := range kindNames() {
		if k.name == f.Kind {
			return &volume.Error{Kind: k.kind, Text: f.Text, Ambiguous: f.Ambiguous}
		}
	}
	return errors.New(f.Text)
}
