package openstack

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Services that fuxi talks to, by their official type.
const (
	BlockStorage     = "block-storage"      // Cinder
	SharedFileSystem = "shared-file-system" // Manila
	Compute          = "compute"            // Nova
)

// service is what differs between the services: the types a catalog may list
// it under, best first, the version segment its URL ends in, and its name.
type service struct {
	name, version string
	types         []string
}

// lookUp leaves out volumev2 and the like: only these versions are spoken.
func lookUp(kind string) service {
	switch kind {
	case BlockStorage:
		return service{"cinder", "v3", []string{"block-storage", "volumev3", "block-store", "volume"}}
	case SharedFileSystem:
		return service{"manila", "v2", []string{"shared-file-system", "sharev2", "share"}}
	case Compute:
		return service{"nova", "v2.1", []string{"compute"}}
	}
	return service{kind, "", []string{kind}}
}

// endpoint finds the service's URL, ending in "/". gophercloud's own search is
// not used because it asks the service for its versions: one more call.
func endpoint(catalog *tokens.ServiceCatalog, kind, region string, a gophercloud.Availability) (string, bool) {
	svc := lookUp(kind)
	for _, typ := range svc.types {
		for _, entry := range catalog.Entries {
			if entry.Type != typ {
				continue
			}
			for _, e := range entry.Endpoints {
				here := region == "" || e.Region == region || e.RegionID == region
				if !here || e.Interface != string(a) {
					continue
				}
				if url, ok := versioned(e.URL, svc.version); ok {
					return url, true
				}
			}
		}
	}
	return "", false
}

// versioned adds the version to a URL that has none and refuses one of another
// version: the type "volume" may still be the long dead v1.
func versioned(url, version string) (string, bool) {
	url = strings.TrimSuffix(url, "/") + "/"
	if version == "" {
		return url, true
	}
	parts := strings.Split(url, "/")
	if slices.Contains(parts, version) {
		return url, true
	}
	for _, p := range parts {
		if regexp.MustCompile(`^v[0-9]+(\.[0-9]+)?$`).MatchString(p) {
			return "", false
		}
	}
	return url + version + "/", true
}

// regions lists where the catalog offers the service, for messages.
func regions(catalog *tokens.ServiceCatalog, kind string) []string {
	var all []string
	for _, entry := range catalog.Entries {
		if !slices.Contains(lookUp(kind).types, entry.Type) {
			continue
		}
		for _, e := range entry.Endpoints {
			all = append(all, e.Region+"/"+e.Interface)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// maskIDs replaces the project, every object id and every key of metadata in a
// path by a word, so that equal calls have equal names.
func maskIDs(path, project string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		switch {
		case p == "":
		case p == project || isVersion(parts, i-1) && isID(p):
			parts[i] = "{project}"
		case isID(p):
			parts[i] = "{id}"
		case i > 0 && parts[i-1] == "metadata":
			parts[i] = "{key}"
		}
	}
	return strings.Join(parts, "/")
}

func isVersion(parts []string, i int) bool {
	return i >= 0 && len(parts[i]) > 1 && parts[i][0] == 'v' && parts[i][1] >= '0' && parts[i][1] <= '9'
}

// isID tells whether a path segment is a uuid, with or without dashes.
func isID(s string) bool {
	hex := strings.ReplaceAll(s, "-", "")
	if len(hex) != 32 || len(s) != 32 && len(s) != 36 {
		return false
	}
	return strings.Trim(hex, "0123456789abcdefABCDEF") == ""
}
