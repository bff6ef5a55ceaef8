package faults

import "context"

type stickKey struct{}

// WithStick orders that the object which this request changes stays in a state.
func WithStick(ctx context.Context, state string) context.Context {
	return context.WithValue(ctx, stickKey{}, state)
}

// StickOf returns the state that was ordered, "" for none.
func StickOf(ctx context.Context) string {
	state, _ := ctx.Value(stickKey{}).(string)
	return state
}
