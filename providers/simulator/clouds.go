package simulator

import (
	"fmt"
	"strings"

	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

// cloudsYAML writes the clouds file. All values are names or random letters and
// digits, so quoting them the Go way is quoting them the YAML way.
func (c *Cloud) cloudsYAML(url string) string {
	accounts := c.keystone.Accounts()
	var out strings.Builder
	out.WriteString("# The clouds of this simulator. Passwords are random and guard nothing real.\nclouds:\n")
	for _, cloud := range [][2]string{
		{"sim", keystone.Member}, {"sim-admin", keystone.Admin}, {"sim-other", keystone.OtherMember},
	} {
		u := accounts.UserNamed(cloud[1])
		writeCloud(&out, cloud[0], "", [][2]string{
			{"auth_url", url},
			{"username", u.Name},
			{"password", u.Password},
			{"project_name", accounts.Project(u.ProjectID).Name},
			{"user_domain_name", keystone.DomainName},
			{"project_domain_name", keystone.DomainName},
		})
	}
	cred := accounts.Credentials[0]
	writeCloud(&out, "sim-appcred", "v3applicationcredential", [][2]string{
		{"auth_url", url},
		{"application_credential_id", cred.ID},
		{"application_credential_secret", cred.Secret},
	})
	return out.String()
}

func writeCloud(out *strings.Builder, name, kind string, auth [][2]string) {
	fmt.Fprintf(out, "  %s:\n", name)
	if kind != "" {
		fmt.Fprintf(out, "    auth_type: %s\n", kind)
	}
	out.WriteString("    auth:\n")
	for _, pair := range auth {
		fmt.Fprintf(out, "      %s: %q\n", pair[0], pair[1])
	}
	fmt.Fprintf(out, "    region_name: %s\n    identity_api_version: 3\n", keystone.Region)
}
