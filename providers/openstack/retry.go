package openstack

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Bounds of repeating one call.
const (
	maxRetries = 3                      // after failures
	maxWaits   = 5                      // after "too many requests"
	firstRetry = 150 * time.Millisecond // doubles
	maxWait    = time.Minute            // longest pause a cloud may impose
)

// attempts counts what one call has met so far.
type attempts struct{ failures, waits int }

// next tells whether to send the call again and after which pause. A call that
// may make something twice is repeated only when the cloud certainly did not
// act: it said so (429), or the request never left.
func (a *attempts) next(c Call, err error) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	r := refusal(err)
	if pause, ok := imposed(r); ok {
		a.waits++
		return pause, a.waits <= maxWaits
	}
	if !transient(c, r, err) || a.failures >= maxRetries {
		return 0, false
	}
	a.failures++
	return jitter(firstRetry << (a.failures - 1)), true
}

// imposed is the pause that a rate limit asks for. Cinder sends a quota
// refusal as 413 too, with "Retry-After: 0": that one is no rate limit.
func imposed(r *Refusal) (time.Duration, bool) {
	if r == nil || r.Status != http.StatusTooManyRequests && r.Status != http.StatusRequestEntityTooLarge {
		return 0, false
	}
	pause := retryAfter(r.Header.Get("Retry-After"))
	if pause <= 0 && r.Status == http.StatusTooManyRequests {
		pause = time.Second
	}
	if pause <= 0 || pause > maxWait {
		return 0, false
	}
	return pause + jitter(pause/10), true
}

// retryAfter reads seconds or an HTTP date; 0 when there is neither.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 1e6)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

// transient tells whether the same call may succeed a moment later and does no
// harm twice.
func transient(c Call, r *Refusal, err error) bool {
	if r != nil {
		again := r.Status == http.StatusBadGateway || r.Status == http.StatusServiceUnavailable || r.Status == http.StatusGatewayTimeout
		return again && c.Method != http.MethodPost
	}
	var send *sendError
	if !errors.As(err, &send) || errors.Is(err, errTooLong) || gone(err) {
		return false
	}
	return !send.sent || c.Method != http.MethodPost
}

// gone are failures that a second try would only wait for again.
func gone(err error) bool {
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	return errors.As(err, &cert) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}
