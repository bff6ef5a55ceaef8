package conformance

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/openstack/fuxi/providers/simulator"
)

// TestSimulator holds the simulator against the table and against what a real
// cloud answered when testdata was recorded.
func TestSimulator(t *testing.T) {
	cloud := startSimulator(t)
	Run(t, cloud)
}

// cloudsFile is what is used of clouds.yaml.
type cloudsFile struct {
	Clouds map[string]struct {
		Region string `yaml:"region_name"`
		Auth   struct {
			URL        string `yaml:"auth_url"`
			User       string `yaml:"username"`
			Password   string `yaml:"password"`
			Project    string `yaml:"project_name"`
			Domain     string `yaml:"user_domain_name"`
			Credential string `yaml:"application_credential_id"`
			Secret     string `yaml:"application_credential_secret"`
		} `yaml:"auth"`
	} `yaml:"clouds"`
}

func startSimulator(t *testing.T) Cloud {
	dir := t.TempDir()
	ready := make(chan struct{})
	sim, err := simulator.Open(dir, simulator.Options{
		Settle: 20 * time.Millisecond, QuotaVolumes: 200, QuotaGigabytes: 2000,
		Ready: func(string) { close(ready) },
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	<-ready
	return simulated(t, filepath.Join(dir, "clouds.yaml"))
}

// simulated is the simulator's clouds.yaml as a Cloud.
func simulated(t *testing.T, path string) Cloud {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file cloudsFile
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	login := func(name string) Login {
		auth := file.Clouds[name].Auth
		return Login{User: auth.User, Password: auth.Password, Project: auth.Project, Domain: auth.Domain}
	}
	credential := file.Clouds["sim-appcred"].Auth
	return Cloud{
		AuthURL: file.Clouds["sim"].Auth.URL, Region: file.Clouds["sim"].Region, Zone: "nova",
		Member: login("sim"), Other: login("sim-other"), Admin: login("sim-admin"),
		Credential: Credential{ID: credential.Credential, Name: "fuxi", Secret: credential.Secret},
		Type:       "standard", Multi: "multi", Target: "standard", ShareType: "with-snapshots", Patience: 20 * time.Second,
	}
}
