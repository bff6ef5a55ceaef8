package openstack

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"strings"

	"crypto/tls"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/utils/v2/openstack/clientconfig"
)

// noEnvironment is a prefix no variable has. clientconfig fills what a cloud
// entry leaves open from OS_*; a forgotten OS_USERNAME next to an application
// credential would then make Keystone refuse both.
const noEnvironment = "FUXI_READS_NO_VARIABLE_FOR_A_CLOUDS_YAML_ENTRY_"

// credentials is all that one reading of the settings yields.
type credentials struct {
	auth     gophercloud.AuthOptions
	region   string
	endpoint gophercloud.Availability
	tls      *tls.Config
	origin   string   // where they come from, for messages
	files    []string // everything that was read; a change makes them stale
	stamp    string   // state of those files
}

// load reads the credentials and checks all that can be checked without the
// cloud.
func load(cfg Config) (*credentials, error) {
	cloud, auth, file, err := readAuth(cfg)
	if err != nil {
		return nil, err
	}
	c := &credentials{auth: *auth, origin: "the OS_* variables"}
	dir := ""
	if file != nil {
		c.origin, c.files = file.path, []string{file.path, file.securePath}
		dir = file.path
	}
	c.auth.AllowReauth = false // renewing the token is the Session's work
	c.region = cmp.Or(cfg.Region, cloud.RegionName)
	if c.endpoint, err = availability(cfg, cloud.EndpointType); err != nil {
		return nil, err
	}
	if err = check(cfg, c); err != nil {
		return nil, err
	}
	paths := tlsPaths{
		ca:       beside(dir, cmp.Or(cfg.CACert, cloud.CACertFile)),
		cert:     beside(dir, cmp.Or(cfg.ClientCert, cloud.ClientCertFile)),
		key:      beside(dir, cmp.Or(cfg.ClientKey, cloud.ClientKeyFile)),
		insecure: cfg.Insecure || cloud.Verify != nil && !*cloud.Verify,
	}
	c.files = append(c.files, paths.files()...)
	c.stamp = stamp(c.files) // before reading: a change in between is seen next time
	if c.tls, err = paths.load(); err != nil {
		return nil, cfg.invalid("%w", err)
	}
	return c, nil
}

func readAuth(cfg Config) (*clientconfig.Cloud, *gophercloud.AuthOptions, *cloudsFile, error) {
	if cfg.Cloud == "" && cfg.CloudsFile == "" {
		return fromEnvironment(cfg)
	}
	file, err := readClouds(cfg.CloudsFile)
	if err != nil {
		return nil, nil, nil, cfg.invalid("reading clouds.yaml: %w", err)
	}
	name, err := file.choose(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	opts := &clientconfig.ClientOpts{
		Cloud: name, RegionName: cfg.Region, YAMLOpts: file, EnvPrefix: noEnvironment,
	}
	cloud, err := clientconfig.GetCloudFromYAML(opts)
	if err != nil {
		return nil, nil, nil, cfg.invalid("cloud %q of %s: %w", name, file.path, err)
	}
	if v := cloud.IdentityAPIVersion; strings.HasPrefix(v, "2") {
		return nil, nil, nil, cfg.invalid("cloud %q of %s asks for identity_api_version %s; only 3 is supported", name, file.path, v)
	}
	auth, err := clientconfig.AuthOptions(opts)
	if err != nil {
		return nil, nil, nil, cfg.invalid("cloud %q of %s: %w", name, file.path, err)
	}
	return cloud, auth, file, nil
}

func fromEnvironment(cfg Config) (*clientconfig.Cloud, *gophercloud.AuthOptions, *cloudsFile, error) {
	auth, err := clientconfig.AuthOptions(&clientconfig.ClientOpts{})
	if err != nil {
		return nil, nil, nil, cfg.invalid("neither cloud nor clouds_file is set, and the OS_* variables lack credentials: %w", err)
	}
	cloud := &clientconfig.Cloud{
		RegionName:     os.Getenv("OS_REGION_NAME"),
		EndpointType:   os.Getenv("OS_INTERFACE"),
		CACertFile:     os.Getenv("OS_CACERT"),
		ClientCertFile: os.Getenv("OS_CERT"),
		ClientKeyFile:  os.Getenv("OS_KEY"),
	}
	return cloud, auth, nil, nil
}

func availability(cfg Config, ofCloud string) (gophercloud.Availability, error) {
	word := strings.TrimSuffix(cmp.Or(cfg.Interface, ofCloud, "public"), "URL")
	switch a := gophercloud.Availability(word); a {
	case gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin:
		return a, nil
	}
	return "", cfg.invalid("interface %q is none of public, internal, admin", word)
}

// check says which field is missing in the words of clouds.yaml.
func check(cfg Config, c *credentials) error {
	a := &c.auth
	u, err := url.Parse(a.IdentityEndpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return cfg.invalid("auth_url %q of %s is not an http or https URL", a.IdentityEndpoint, c.origin)
	}
	application := a.ApplicationCredentialID != "" || a.ApplicationCredentialName != ""
	scope := a.Scope
	scoped := scope != nil && (scope.ProjectID != "" || scope.ProjectName != "")
	missing := ""
	switch {
	case application && a.ApplicationCredentialSecret == "":
		missing = "application_credential_secret"
	case application || a.TokenID != "":
	case a.Username == "" && a.UserID == "":
		missing = "username (or an application credential)"
	case a.Password == "":
		missing = "password"
	case a.UserID == "" && a.DomainID == "" && a.DomainName == "":
		missing = "user_domain_name"
	case !scoped:
		missing = "project_name"
	case scope.ProjectID == "" && scope.DomainID == "" && scope.DomainName == "":
		missing = "project_domain_name"
	}
	if missing != "" {
		return cfg.invalid("%s lacks %s", c.origin, missing)
	}
	if _, err := a.ToTokenV3CreateMap(nil); err != nil {
		return cfg.invalid("credentials of %s: %w", c.origin, err)
	}
	return nil
}

// who names the account, never its secret.
func (c *credentials) who() string {
	switch a := c.auth; {
	case a.ApplicationCredentialID != "" || a.ApplicationCredentialName != "":
		return fmt.Sprintf("application credential %q", cmp.Or(a.ApplicationCredentialName, a.ApplicationCredentialID))
	case a.TokenID != "":
		return "the given token"
	default:
		return fmt.Sprintf("user %q", cmp.Or(a.Username, a.UserID))
	}
}

// scrub takes the secrets out of a text: Keystone's schema errors quote the
// value they did not like.
func (c *credentials) scrub(text string) string {
	for _, secret := range []string{c.auth.Password, c.auth.ApplicationCredentialSecret, c.auth.TokenID, c.auth.Passcode} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
