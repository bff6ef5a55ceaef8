package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// liar stands between a daemon and its cloud. While lying its lists of volumes
// are empty, as those of a cloud that lost a cell or changed a policy.
type liar struct {
	lying atomic.Bool
	lists atomic.Int32 // lists answered while lying
	file  string       // clouds.yaml that leads here
}

func newLiar(t *testing.T, cloud *rig.Cloud) *liar {
	t.Helper()
	account, err := os.ReadFile(cloud.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	real := regexp.MustCompile(`http://[0-9.:]+`).FindString(string(account))
	target, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{file: filepath.Join(rig.TempDir(t, "liar"), "clouds.yaml")}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.lying.Load() && strings.HasSuffix(r.URL.Path, "/volumes/detail") {
			l.lists.Add(1)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"volumes": []}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	proxy.ModifyResponse = func(resp *http.Response) error {
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		data = bytes.ReplaceAll(data, []byte(real), []byte(server.URL))
		resp.Body = io.NopCloser(bytes.NewReader(data))
		resp.ContentLength = int64(len(data))
		resp.Header.Set("Content-Length", strconv.Itoa(len(data)))
		return nil
	}
	if err := os.WriteFile(l.file, []byte(strings.ReplaceAll(string(account), real, server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func known(t *testing.T, d *rig.Daemon) int { return status(t, d).Clouds[0].Known }

// knows waits until the daemon knows so many volumes.
func knows(t *testing.T, d *rig.Daemon, want int) {
	t.Helper()
	rig.Eventually(t, 15*time.Second, func() string {
		if n := known(t, d); n != want {
			return fmt.Sprintf("%d volumes are known instead of %d", n, want)
		}
		return ""
	})
}

// A list that is suddenly empty is doubted: nothing is forgotten, and with
// many missing at once the operator is told.
func TestEmptyListForgetsNothing_E7(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	for _, many := range []int{5, 40} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			t.Parallel()
			cloud := rig.NewCloud(t, simulator.Options{Seed: many})
			l := newLiar(t, cloud)
			d := rig.NewDaemon(t, cloud, "host", nil)
			d.Configure(l.file, attentive())
			d.Start()
			knows(t, d, many)
			l.lying.Store(true)
			d.Stop()
			d.Start() // the first look is a full one
			rig.Eventually(t, 10*time.Second, func() string {
				if l.lists.Load() < 2 {
					return "the list was not asked for"
				}
				return ""
			})
			if many > 10 {
				event(t, d, fmt.Sprintf("%d of %d volumes are missing", many, many), "all are kept")
			}
			if n := known(t, d); n != many {
				t.Fatalf("%d volumes are known", n)
			}
			for n := range many {
				if _, err := d.Get(fmt.Sprintf("seed-%06d", n+1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Create("seed-000001", map[string]string{"size": "1"}); err != nil {
				t.Errorf("create of a known name: %v", err)
			}
			if all := cloud.Volumes("seed-000001"); len(all) != 1 {
				t.Errorf("there are %v", all)
			}
			l.lying.Store(false)
			sceneOf(t, cloud, d, "seed-000001").usable()
		})
	}
}

// Volumes that are really gone are forgotten at the next full list, each after
// it was asked for by id.
func TestDeletedVolumesAreForgotten_E7(t *testing.T) {
	rig.NeedRoot(t)
	t.Parallel()
	cloud := rig.NewCloud(t, simulator.Options{Seed: 30})
	d := rig.NewDaemon(t, cloud, "host", attentive())
	d.Start()
	knows(t, d, 30)
	for left := 29; left >= 27; left-- {
		name := fmt.Sprintf("seed-%06d", left+1)
		if code := cloud.API("DELETE", "/volumes/"+cloud.Volumes(name)[0].ID, nil, nil); code != 202 {
			t.Fatal(code)
		}
		rig.Eventually(t, 10*time.Second, func() string {
			if all := cloud.Volumes(name); len(all) > 0 {
				return fmt.Sprint(all)
			}
			return ""
		})
		d.Stop()
		d.Start()
		knows(t, d, left)
		event(t, d, name, "is gone from the cloud")
		if _, err := d.Get(name); err == nil {
			t.Errorf("%s is still told", name)
		}
	}
}
