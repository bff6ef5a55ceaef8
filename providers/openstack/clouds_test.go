package openstack

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/volume"
)

func inDir(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoClouds = `clouds:
  production: {auth: {auth_url: "https://k/v3", username: u, password: p, project_name: a, user_domain_name: d, project_domain_name: d}, interface: internalURL, region_name: r1}
  staging: {auth_type: v3applicationcredential, auth: {auth_url: "https://k/v3", application_credential_id: i, application_credential_secret: hush}}
`

func TestCloudsVariants(t *testing.T) {
	t.Setenv("OS_USERNAME", "leaks-from-the-environment")
	t.Setenv("OS_PASSWORD", "leaks-from-the-environment")
	base := `clouds: {one: {auth: {auth_url: "https://k/v3", `
	for _, c := range []struct{ name, yaml, cloud, problem string }{
		{"password", twoClouds, "production", ""},
		{"application credential", twoClouds, "staging", ""},
		{"the only one", base + `username: u, password: p, project_id: a, user_domain_id: d}}}`, "", ""},
		{"typing slip", twoClouds, "prodution", `did you mean "production"?`},
		{"nothing like it", twoClouds, "zzz", "it has production, staging"},
		{"none named", twoClouds, "", "several clouds"},
		{"no password", base + `username: u, project_name: a, user_domain_name: d}}}`, "one", "lacks password"},
		{"no user", base + `password: p}}}`, "one", "lacks username"},
		{"no user domain", base + `username: u, password: p, project_name: a}}}`, "one", "lacks user_domain_name"},
		{"no project", base + `username: u, password: p, user_domain_name: d}}}`, "one", "lacks project_name"},
		{"no project domain", base + `username: u, password: p, project_name: a, user_domain_name: d}}}`, "one", "lacks project_domain_name"},
		{"no secret", base + `application_credential_id: u}}}`, "one", "lacks application_credential_secret"},
		{"no address", `clouds: {one: {auth: {username: u}}}`, "one", "auth_url"},
		{"bad address", `clouds: {one: {auth: {auth_url: "keystone:5000"}}}`, "one", "auth_url"},
		{"version 2", `clouds: {one: {identity_api_version: 2, auth: {auth_url: "https://k/v2.0", username: u}}}`, "one", "identity_api_version"},
		{"not YAML", "clouds: [", "one", "clouds.yaml"},
		{"wrong shape", "clouds: {one: {auth: my-secret-value}}", "one", "a value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := inDir(t, map[string]string{"clouds.yaml": c.yaml})
			s, err := New(Config{Name: "sim", Cloud: c.cloud, CloudsFile: filepath.Join(dir, "clouds.yaml")}, nil)
			if c.problem == "" {
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(s.creds.auth.Username+s.creds.auth.Password, "leaks") {
					t.Error("a cloud entry was filled from the environment")
				}
				return
			}
			if !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), c.problem) || !strings.HasPrefix(err.Error(), `cloud "sim": `) {
				t.Errorf("%v", err)
			}
			if strings.Contains(err.Error(), "my-secret-value") {
				t.Errorf("a value of the file is quoted: %v", err)
			}
		})
	}
}

func TestSettingsWinOverTheCloudEntry(t *testing.T) {
	dir := inDir(t, map[string]string{"clouds.yaml": twoClouds, "secure.yaml": "clouds: {production: {auth: {password: from-secure}}}"})
	file := filepath.Join(dir, "clouds.yaml")
	s, err := New(Config{Name: "sim", Cloud: "production", CloudsFile: file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.creds.auth.Password != "from-secure" || s.Region() != "r1" || s.creds.endpoint != "internal" {
		t.Errorf("%+v", s.creds)
	}
	s, err = New(Config{Name: "sim", Cloud: "production", CloudsFile: file, Region: "r2", Interface: "admin"}, nil)
	if err != nil || s.Region() != "r2" || s.creds.endpoint != "admin" {
		t.Errorf("%v", err)
	}
	if _, err = New(Config{Name: "sim", Cloud: "production", CloudsFile: file, Interface: "private"}, nil); !errors.Is(err, volume.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err = New(Config{Name: "sim", Cloud: "x", CloudsFile: filepath.Join(dir, "absent.yaml")}, nil); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("%v", err)
	}
}

func TestEnvironment(t *testing.T) {
	f := newFake(t, nothing)
	for name, value := range map[string]string{
		"OS_AUTH_URL": f.URL, "OS_USERNAME": "demo", "OS_PASSWORD": fakePassword, "OS_PROJECT_NAME": "demo",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": "here", "OS_CLOUD": "",
	} {
		t.Setenv(name, value)
	}
	s, err := New(Config{Name: "env"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), s); err != nil || s.ProjectID() != fakeProject || f.count() != 1 {
		t.Errorf("project %q, %d requests: %v", s.ProjectID(), f.count(), err)
	}
	t.Setenv("OS_PASSWORD", "")
	if _, err := New(Config{Name: "env"}, nil); !errors.Is(err, volume.ErrInvalid) || !strings.Contains(err.Error(), "OS_*") {
		t.Errorf("%v", err)
	}
}

func TestCACertBesideCloudsFile(t *testing.T) {
	f := newFake(t, nothing)
	secure := httptest.NewTLSServer(f)
	defer secure.Close()
	f.URL = secure.URL
	f.writeClouds(secure.URL + "/v3")
	if err := get(t.Context(), f.session()); !errors.Is(err, volume.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: %v", err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(f.dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	f.writeClouds(secure.URL+"/v3", "    cacert: ca.pem")
	if err := get(t.Context(), f.session()); err != nil {
		t.Error(err)
	}
	f.writeClouds(secure.URL+"/v3", "    verify: false")
	if err := get(t.Context(), f.session()); err != nil || !strings.Contains(f.logged(), "not verified") {
		t.Error(err)
	}
	for name, cfg := range map[string]Config{
		"absent": {CACert: "/nowhere.pem"}, "empty": {CACert: f.cloudsFile()}, "half": {ClientCert: "ca.pem"}, "no key": {ClientCert: "ca.pem", ClientKey: "ca.pem"},
	} {
		cfg.Name, cfg.Cloud, cfg.CloudsFile = "sim", "sim", f.cloudsFile()
		if _, err := New(cfg, nil); !errors.Is(err, volume.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
