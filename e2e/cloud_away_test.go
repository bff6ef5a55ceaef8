package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/e2e/rig"
	"github.com/openstack/fuxi/providers/simulator"
)

// absence is a way for a cloud not to be there.
type absence struct {
	name string
	gone func(*rig.Cloud)
	back func(*rig.Cloud)
}

func absences() []absence {
	return []absence{
		{"dead", func(c *rig.Cloud) { c.Stop() }, func(c *rig.Cloud) { c.Start() }},
		{"hanging", func(c *rig.Cloud) {
			c.Fault(rig.Fault{Service: "cinder", Do: "blackhole"}, rig.Fault{Service: "keystone", Do: "blackhole"})
		}, func(c *rig.Cloud) { c.Mend() }},
	}
}

func (a absence) String() string { return a.name }

// busy refreshes as often as it may.
func busy() rig.Settings {
	return rig.Settings{"plugin": {`refresh = "1s"`}, "cinder": {`linger = "200ms"`, `reservation_age = "1s"`}}
}

// quick runs call many times and fails unless half of them take at most 50 ms
// and none takes three seconds, which only a busy machine comes near.
func quick(t *testing.T, what string, times int, call func() error) {
	t.Helper()
	took := make([]time.Duration, times)
	for i := range took {
		began := time.Now()
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	if took[times/2] > 50*time.Millisecond || took[times-1] > 3*time.Second {
		t.Errorf("%s took %s by the median, %s at most", what, took[times/2], took[times-1])
	}
}

// TestAnswersWithoutTheCloud_E1: what Docker asks all the time is answered from
// memory, an unmount needs no cloud, and an unknown name, which may be another
// driver's, costs at most the two seconds of a lookup, and nothing once the
// breaker knows.
func TestAnswersWithoutTheCloud_E1(t *testing.T) {
	t.Parallel()
	together(t, 2, absences(), absence.String, func(t *testing.T, a absence) {
		s := newTrial(t, simulator.Options{}, busy())
		for _, name := range []string{"used", "idle"} {
			if err := s.d.Create(name, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.d.Mount("used", "c1"); err != nil {
			t.Fatal(err)
		}
		a.gone(s.cloud)
		for range 3 { // while the refresh finds out, and after
			for _, name := range []string{"used", "idle"} {
				quick(t, "Get "+name, 50, func() error { _, err := s.d.Get(name); return err })
				quick(t, "Path "+name, 20, func() error { return s.ask("Path", map[string]any{"Name": name}) })
			}
			quick(t, "List", 20, func() error { return s.ask("List", map[string]any{}) })
			quick(t, "Capabilities", 20, func() error { return s.ask("Capabilities", map[string]any{}) })
			time.Sleep(300 * time.Millisecond)
		}
		s.unknownNames(t, a)
		began := time.Now()
		if err := s.d.Unmount("used", "c1"); err != nil || time.Since(began) > time.Second {
			t.Errorf("unmount: %v after %s", err, time.Since(began))
		}
		a.back(s.cloud)
		s.detached("used")
		for _, name := range []string{"used", "idle"} {
			if err := s.remove(name); err != nil {
				t.Error(err)
			}
		}
		s.clean("used", "idle")
		s.d.Stop()
	})
}

func (s *trial) ask(method string, body any) error {
	code, answer := raw(s.t, s.d, method, jsonOf(s.t, body))
	if code != 200 || strings.Contains(answer, `"Err"`) {
		return fmt.Errorf("%d %s", code, answer)
	}
	return nil
}

func (s *trial) unknownNames(t *testing.T, a absence) {
	t.Helper()
	fast, tries := 0, map[string]int{"dead": 6, "hanging": 3}[a.name]
	for i := range tries {
		began := time.Now()
		_, err := s.d.Get(fmt.Sprint("of-another-driver-", i))
		took := time.Since(began)
		if err == nil || !strings.Contains(err.Error(), "no such volume") {
			t.Errorf("an unknown name: %v", err)
		}
		if took > 3*time.Second {
			t.Errorf("an unknown name took %s, a lookup may take 2 s", took)
		}
		if took < 200*time.Millisecond {
			fast++
		}
	}
	if a.name == "dead" && fast == 0 {
		t.Error("the breaker spared no unknown name the lookup")
	}
}

// TestFirstStartWithoutTheCloud_E4: it listens at once. Before any refresh it
// cannot say "no": the connection is aborted, so that Docker keeps its record.
// Protocols A.4.
func TestFirstStartWithoutTheCloud_E4(t *testing.T) {
	t.Parallel()
	together(t, 2, absences(), absence.String, func(t *testing.T, a absence) {
		rig.NeedRoot(t)
		cloud := rig.NewCloud(t, simulator.Options{})
		s := &trial{t: t, cloud: cloud, d: rig.NewDaemon(t, cloud, "host-a", busy())}
		a.gone(cloud)
		began := time.Now()
		s.start()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s until it answered", took)
		}
		for range 3 {
			began := time.Now()
			if code, answer := raw(t, s.d, "Get", `{"Name":"never-heard-of"}`); code != 0 {
				t.Errorf("it answers %d %s, though it cannot know", code, answer)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the abort took %s, a lookup may take 2 s", took)
			}
		}
		quick(t, "List", 20, func() error { return s.ask("List", map[string]any{}) })
		a.back(cloud)
		rig.Eventually(t, 30*time.Second, func() string {
			if code, answer := raw(t, s.d, "Get", `{"Name":"never-heard-of"}`); code != 200 || !strings.Contains(answer, "no such volume") {
				return fmt.Sprintf("with the cloud back it answers %d %s", code, answer)
			}
			return ""
		})
		s.d.Stop()
	})
}
