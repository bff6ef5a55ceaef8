package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

const postToken = "POST /v3/auth/tokens"

// TestTokenExpires_D2: tokens end before every act, in the middle of a slow
// call, and under many calls at once. Nobody notices, and each time one new
// token is asked for.
func TestTokenExpires_D2(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	expire := func() { s.cloud.Admin("POST", "/expire-tokens", nil) }
	renewed := func(when string, do func()) {
		t.Helper()
		before := s.cloud.Counters()[postToken]
		do()
		if n := s.cloud.Counters()[postToken] - before; n > 1 {
			t.Errorf("%s: %d tokens were asked for", when, n)
		}
	}
	c := &course{trial: s, name: "vol"}
	for _, a := range c.acts() {
		expire()
		renewed(a.name, func() {
			if err := a.do(); err != nil {
				t.Errorf("%s: %v", a.name, err)
			}
		})
	}
	if err := s.d.Create("slow", nil); err != nil {
		t.Fatal(err)
	}
	s.cloud.Fault(rig.Fault{Service: "cinder", Method: "PUT", Path: "^/attachments/", Times: 1, Do: "delay", Value: "1s"})
	renewed("in the middle of exposing", func() {
		late := time.AfterFunc(500*time.Millisecond, expire)
		defer late.Stop()
		if _, err := s.d.Mount("slow", "c1"); err != nil {
			t.Errorf("mount: %v", err)
		}
	})
	expire()
	renewed("under many calls", func() {
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			all.Go(func() {
				if err := s.d.Create(name, nil); err != nil {
					t.Errorf("create %s: %v", name, err)
				}
				if err := s.remove(name); err != nil {
					t.Errorf("remove %s: %v", name, err)
				}
			})
		}
		all.Wait()
	})
	if err := s.d.Unmount("slow", "c1"); err != nil {
		t.Error(err)
	}
	if err := s.remove("slow"); err != nil {
		t.Error(err)
	}
	s.clean("vol", "slow", "a", "h")
	s.d.Stop()
}

// TestWrongPassword_D3: the daemon starts with a password that is refused,
// knows its volumes, says what is wrong, does not hammer Keystone, and works
// as soon as clouds.yaml is mended, without a restart.
func TestWrongPassword_D3(t *testing.T) {
	t.Parallel()
	s := newTrial(t, simulator.Options{}, nil)
	if err := s.d.Create("vol", nil); err != nil {
		t.Fatal(err)
	}
	s.d.Stop()
	right, err := os.ReadFile(s.cloud.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	wrong := regexp.MustCompile(`password: .*`).ReplaceAll(right, []byte(`password: "not-this-one"`))
	file := filepath.Join(s.d.Dir, "clouds.yaml")
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(wrong)
	s.d.Configure(file, quiet())
	before := s.cloud.Counters()[postToken]
	began := time.Now()
	s.start()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s until it answered", took)
	}
	if _, err := s.d.Get("vol"); err != nil {
		t.Errorf("a known volume: %v", err)
	}
	rig.Eventually(t, 10*time.Second, func() string {
		out, errs, _ := s.d.CLI("status")
		if all := out + errs; !strings.Contains(all, "authenticating") || !strings.Contains(all, "401") || strings.Contains(all, "not-this-one") {
			return "status says " + all
		}
		return ""
	})
	made := make(chan error, 1)
	go func() { made <- s.d.Create("new", nil) }()
	time.Sleep(time.Second)
	if n := s.cloud.Counters()[postToken] - before; n > 3 {
		t.Errorf("a refused password was tried %d times in a moment", n)
	}
	write(right)
	select {
	case err := <-made:
		if err != nil {
			t.Errorf("create after the password was mended: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("create does not notice that the password was mended")
	}
	for _, name := range []string{"vol", "new"} {
		if err := s.remove(name); err != nil {
			t.Error(err)
		}
	}
	s.clean("vol", "new")
	s.d.Stop()
}
