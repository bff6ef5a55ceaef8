//go:build e2e

package manila_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/openstack/fuxi/providers/openstack"
)

// TestRealCloud plays the story on a real Manila, named by FUXI_E2E_AUTH_URL,
// FUXI_E2E_ADMIN_USER (admin), FUXI_E2E_ADMIN_PASSWORD and
// FUXI_E2E_ADMIN_PROJECT (admin).
func TestRealCloud(t *testing.T) {
	url := os.Getenv("FUXI_E2E_AUTH_URL")
	if url == "" && os.Getenv("CI") == "true" {
		t.Fatal("FUXI_E2E_AUTH_URL is not set: CI must name a real cloud")
	}
	if url == "" {
		t.Skip("FUXI_E2E_AUTH_URL names no cloud")
	}
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text := fmt.Sprintf("clouds:\n  real:\n    auth: {auth_url: %q, username: %q, password: %q, project_name: %q, user_domain_name: Default, project_domain_name: Default}\n",
		url, cmp.Or(os.Getenv("FUXI_E2E_ADMIN_USER"), "admin"), os.Getenv("FUXI_E2E_ADMIN_PASSWORD"), cmp.Or(os.Getenv("FUXI_E2E_ADMIN_PROJECT"), "admin"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	session, err := openstack.New(openstack.Config{Name: "real", Cloud: "real", CloudsFile: file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	story(t, session, "nfs")
}
