package openstack

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
)

func nothing(http.ResponseWriter, *http.Request) {}

func together(n int, do func() error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do() })
	}
	wg.Wait()
	return errs
}

func TestOneTokenForAll(t *testing.T) {
	f := newFake(t, nothing)
	s := f.session()
	if f.count() != 0 {
		t.Fatal("New touched the network")
	}
	for round := 1; round <= 3; round++ {
		if err := errors.Join(together(20, func() error { return get(t.Context(), s) })...); err != nil {
			t.Fatal(err)
		}
		if f.count() != round {
			t.Fatalf("round %d: Keystone was asked %d times", round, f.count())
		}
		f.revoke()
	}
}

func TestChangesSurviveAVoidToken(t *testing.T) {
	f := newFake(t, nothing)
	s := f.session()
	if err := post(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.revoke()
	if err := post(t.Context(), s); err != nil || f.count() != 2 {
		t.Errorf("%d tokens: %v", f.count(), err)
	}
}

func TestWrongPasswordIsNotStormed(t *testing.T) {
	f := newFake(t, nothing)
	f.writePassword(f.URL+"/v3", "wrong-secret")
	s := f.session()
	for _, err := range together(20, func() error { return get(t.Context(), s) }) {
		if !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) {
			t.Errorf("%v", err)
		}
		for _, want := range []string{`cloud "sim"`, `user "demo"`, f.URL, f.cloudsFile()} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("password in %q", err)
		}
	}
	if f.count() != 1 {
		t.Errorf("Keystone was asked %d times", f.count())
	}
	if strings.Contains(f.logged(), "wrong-secret") {
		t.Error("password in the log")
	}
	f.writePassword(f.URL+"/v3", fakePassword, "  # a change of the size, too")
	if err := get(t.Context(), s); err != nil {
		t.Errorf("with the right password: %v", err)
	}
}

// TestDeletedCredentialIsNotStormed: Keystone answers 404 about an application
// credential that was deleted, as it does where it is not at all.
func TestDeletedCredentialIsNotStormed(t *testing.T) {
	f := newFake(t, nothing)
	f.with(func() { f.down, f.says = 404, "Could not find Application Credential: 0123." })
	s := f.session()
	for _, err := range together(20, func() error { return get(t.Context(), s) }) {
		if !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "correct "+f.cloudsFile()) {
			t.Errorf("%v", err)
		}
	}
	if f.count() != 1 {
		t.Errorf("Keystone was asked %d times", f.count())
	}
}

// D3: a new password in clouds.yaml works without a restart; a file that is
// half written does no harm.
func TestNewCredentialsWithoutRestart(t *testing.T) {
	f := newFake(t, nothing)
	s := f.session()
	if err := get(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.with(func() { f.password = "the-next-one" })
	f.revoke()
	if err := os.WriteFile(f.cloudsFile(), []byte("clouds: {sim: {auth: {auth_ur"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), s); err == nil {
		t.Fatal("the old password still works")
	}
	f.writePassword(f.URL+"/v3", "the-next-one")
	if err := get(t.Context(), s); err != nil {
		t.Error(err)
	}
	if log := f.logged(); strings.Contains(log, "the-next-one") || strings.Contains(log, "token-") || !strings.Contains(log, "read again") {
		t.Errorf("log:\n%s", log)
	}
}

// D2: a token that would end within a long operation is renewed before, and
// only the length of its life counts, not the clocks.
func TestRenewAhead(t *testing.T) {
	f := newFake(t, nothing)
	f.life, f.skew = time.Second, -24*time.Hour
	s := f.session()
	if err := get(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), s); err != nil || f.count() != 1 {
		t.Fatalf("a new token for each call (%d): %v", f.count(), err)
	}
	time.Sleep(800 * time.Millisecond)
	if err := get(t.Context(), s); err != nil || f.count() != 2 {
		t.Errorf("%d tokens: %v", f.count(), err)
	}
	f.with(func() { f.down = 500 })
	time.Sleep(800 * time.Millisecond)
	if err := get(t.Context(), s); err != nil {
		t.Errorf("a failed renewal of a good token: %v", err)
	}
}

func TestKeystoneComesBack(t *testing.T) {
	f := newFake(t, nothing)
	f.down = 503
	s := f.session()
	if err := get(t.Context(), s); !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) {
		t.Fatalf("%v", err)
	}
	f.with(func() { f.down = 0 })
	if err := post(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// A lookup that may take two seconds must not wait for a Keystone that hangs.
func TestCallerLeavesHangingKeystone(t *testing.T) {
	hang := make(chan struct{})
	f := newFake(t, nothing)
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-hang
		f.ServeHTTP(w, r)
	})
	s := f.session()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	for _, err := range together(3, func() error { return post(ctx, s) }) {
		if !errors.Is(err, volume.ErrUnavailable) || volume.IsAmbiguous(err) {
			t.Errorf("%v", err)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	close(hang)
	if err := get(t.Context(), s); err != nil || f.count() != 1 {
		t.Errorf("%d requests to Keystone: %v", f.count(), err)
	}
}

func TestMissingEndpoint(t *testing.T) {
	f := newFake(t, nothing)
	err := get(t.Context(), f.configured(Config{Region: "there"}))
	if !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "here/public") {
		t.Errorf("%v", err)
	}
	err = f.session().Do(t.Context(), Call{Service: Compute, Method: "GET", Path: "servers", Doing: "list"}, nil)
	if !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "nova") {
		t.Errorf("%v", err)
	}
}

func TestNoSecretsAnywhere(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		fault(w, 400, "badRequest", "you sent "+r.Header.Get("X-Auth-Token")+" and "+fakePassword)
	})
	s := f.session()
	err := post(t.Context(), s)
	everything := err.Error() + f.logged() + s.Health().LastError
	if strings.Contains(everything, fakePassword) || strings.Contains(everything, "token-1") {
		t.Error(everything)
	}
	if !strings.Contains(f.logged(), "request_id=req-test") || !strings.Contains(f.logged(), "status=400") {
		t.Errorf("log:\n%s", f.logged())
	}
}
