package fuxi_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each package, the packages of ours that it may import.
// The picture is in README.md; a new arrow is a decision, to be argued for in
// the commit that adds it.
func allowed() map[string][]string {
	return map[string][]string{
		"trace":                           {},
		"config":                          {},
		"connector":                       {},
		"connector/host":                  {"trace", "connector"},
		"connector/mount":                 {"trace", "connector", "connector/host"},
		"connector/local":                 {"trace", "connector", "connector/host", "connector/share"},
		"connector/iscsi":                 {"trace", "connector", "connector/host"},
		"connector/rbd":                   {"trace", "connector", "connector/host"},
		"connector/nova":                  {"trace", "connector", "connector/host"},
		"connector/share":                 {"trace", "connector", "connector/host"},
		"connector/nfs":                   {"trace", "connector", "connector/host", "connector/share"},
		"connector/cephfs":                {"trace", "connector", "connector/host", "connector/share"},
		"connector/connectortest":         {"trace", "connector", "connector/host", "connector/host/hosttest"},
		"connector/host/hosttest":         {"trace", "connector/host"},
		"connector/host/hosttest/pretend": {"trace", "connector/host", "connector/host/hosttest"},
		"volume":                          {"trace", "connector"},
		"volume/docker":                   {"volume"},
		"volume/admin":                    {"volume"},
		"providers/openstack":             {"trace", "volume"},
		"providers/cinder":                {"connector", "volume", "providers/openstack"},
		"providers/manila":                {"trace", "connector", "volume", "providers/openstack"},
		"providers/nova":                  {"connector", "volume", "providers/openstack"},
		"cmd/fuxi-sim":                    {"providers/simulator"},
		"e2e/rig":                         {"providers/simulator"},
		"e2e/dockerd":                     {},
		"e2e/bench":                       {"trace", "providers/simulator", "e2e/rig"},
		"e2e/conformance":                 {"providers/simulator"},
		"e2e/lab":                         {},
		"scripts/lab/agent":               {},
		"e2e/docker":                      {},
		"e2e":                             {},
		".":                               {},
	}
}

const module = "github.com/openstack/fuxi"

// TestArrows holds the layering: providers never touch this host, connectors
// never talk to the cloud, volume knows neither, the simulator knows nothing
// of fuxi.
func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rules := allowed()
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := short(p.ImportPath)
		may, listed := rules[from]
		switch {
		case from == "cmd/fuxi": // wiring: may know everything but the simulator
			forbid(t, from, p.Imports, "providers/simulator")
			continue
		case strings.HasPrefix(from, "providers/simulator"):
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, module) && !strings.HasPrefix(short(imp), "providers/simulator") {
					t.Errorf("%s imports %s: the simulator imports nothing of fuxi", from, short(imp))
				}
			}
			continue
		case !listed:
			t.Errorf("package %s has no rule: add one here and argue for it", from)
			continue
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module) && !slices.Contains(may, short(imp)) {
				t.Errorf("%s imports %s, which is not one of its arrows %v", from, short(imp), may)
			}
		}
	}
}

func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func forbid(t *testing.T, from string, imports []string, prefix string) {
	t.Helper()
	for _, imp := range imports {
		if strings.HasPrefix(short(imp), prefix) {
			t.Errorf("%s imports %s", from, short(imp))
		}
	}
}

// TestOnlyHostTouchesTheMachine: connector/host is the only package below the
// daemon that starts a process. The agent of the lab is no part of the daemon:
// to run commands is all it does.
func TestOnlyHostTouchesTheMachine(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := short(p.ImportPath)
		test := strings.HasPrefix(from, "e2e") || strings.HasSuffix(from, "test")
		if from != "connector/host" && from != "scripts/lab/agent" && !test && slices.Contains(p.Imports, "os/exec") {
			t.Errorf("%s imports os/exec: only connector/host starts processes", from)
		}
		if strings.HasPrefix(from, "connector") && slices.Contains(p.Imports, "net/http") {
			t.Errorf("%s imports net/http: a connector never talks to the cloud", from)
		}
	}
}
