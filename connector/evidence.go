package connector

import "context"

// Holder is one client that the storage itself sees using a volume.
type Holder struct {
	Client  string // the storage's own name for it ("client.4123")
	Address string // where it comes from, as the storage writes it ("10.0.0.5:0/1234567")
	Self    bool   // it is this host
}

// Witness is a Connector whose storage can tell who uses a volume, whatever
// the cloud believes.
type Witness interface {
	// Holders asks the storage who has the volume open now. None is an empty
	// list; an error means that it is not known, which is not "none".
	Holders(ctx context.Context, conn Connection) ([]Holder, error)
}

// Fencer is a Connector whose storage can shut a client out, so that nothing it
// still has in flight is ever written. It is the step that comes before one
// host takes over what another, silent one had.
type Fencer interface {
	// Fence shuts the holder out and returns only when the storage has said that
	// it is. Repeatable. ErrUnsafe when the holder is this host.
	Fence(ctx context.Context, conn Connection, holder Holder) error
	// Unfence lets it in again. Not fenced is success.
	Unfence(ctx context.Context, conn Connection, holder Holder) error
}
