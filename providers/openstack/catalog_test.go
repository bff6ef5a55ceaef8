package openstack

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

func TestEndpoint(t *testing.T) {
	at := func(typ string, urls ...string) tokens.CatalogEntry {
		e := tokens.CatalogEntry{Type: typ}
		for _, u := range urls {
			e.Endpoints = append(e.Endpoints, tokens.Endpoint{Interface: "public", Region: "r", URL: u})
		}
		return e
	}
	for _, c := range []struct {
		want    string
		entries []tokens.CatalogEntry
	}{
		{"https://c/v3/p/", []tokens.CatalogEntry{at("volumev2", "https://c/v2/p"), at("volumev3", "https://c/v3/p")}},
		{"https://c/volume/v3/", []tokens.CatalogEntry{at("block-storage", "https://c/volume/v3/")}},
		{"https://c/volume/v3/", []tokens.CatalogEntry{at("block-storage", "https://c/volume")}},
		{"https://new/v3/", []tokens.CatalogEntry{at("volume", "https://old/v1/p"), at("block-storage", "https://new")}},
		{"", []tokens.CatalogEntry{at("volume", "https://old/v1/p"), at("volumev2", "https://old/v2/p")}},
		{"", nil},
	} {
		got, ok := endpoint(&tokens.ServiceCatalog{Entries: c.entries}, BlockStorage, "r", "public")
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if _, ok := endpoint(&tokens.ServiceCatalog{Entries: []tokens.CatalogEntry{at("volumev3", "https://c/v3/p")}}, BlockStorage, "elsewhere", "public"); ok {
		t.Error("another region's endpoint")
	}
}

func TestSuggest(t *testing.T) {
	for word, want := range map[string]string{"fsat": `: did you mean "fast"?`, "fas": `: did you mean "fast"?`, "qqqqqq": "", "": ""} {
		if got := Suggest(word, []string{"slow-hdd", "fast"}); got != want {
			t.Errorf("%q: %q", word, got)
		}
	}
}
