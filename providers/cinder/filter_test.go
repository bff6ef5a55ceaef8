package cinder_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/openstack/fuxi/volume"
)

// E12: a project may have many volumes that are not ours; the cloud leaves
// them out, so a list costs what the cluster has.
func TestListIsFilteredByTheCloud_E12(t *testing.T) {
	var asked []string
	p := answering(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("metadata"))
		_, _ = w.Write([]byte(`{"volumes": []}`))
	})
	for _, q := range []volume.Query{{}, {Name: "db"}} {
		if err := p.List(t.Context(), q, func([]volume.Volume) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got := asked[len(asked)-1]; got != "{'volume_from': 'fuxi'}" {
			t.Errorf("%+v: the metadata filter is %q", q, got)
		}
	}
}

// B1: a mark that is believed and not there costs data, so it counts only when
// the cloud's answer shows it.
func TestMarkThatDidNotArrive_B1(t *testing.T) {
	for _, body := range []string{`{"metadata": {}}`, `{"metadata": {"fuxi:formatted": "ext4,another"}}`, `{}`} {
		p := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		change := volume.MarkChange{Set: map[string]string{"fuxi:formatted": "ext4,one"}}
		if _, err := p.SetMarks(t.Context(), "v1", change); !errors.Is(err, volume.ErrUnavailable) || !volume.IsAmbiguous(err) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// An old cloud drops a filter that it does not know and lists the whole
// project: the volumes of others are not ours for that.
func TestListOfACloudThatIgnoresFilters_E7(t *testing.T) {
	p := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"volumes": [
			{"id": "v1", "name": "db", "metadata": {"volume_from": "fuxi"}}, {"id": "v2", "name": "db", "metadata": {"volume_from": "other"}},
			{"id": "v3", "name": "db", "metadata": {}}, {"id": "v4", "name": "else", "metadata": {"volume_from": "fuxi"}}]}`))
	})
	var got []string
	err := p.List(t.Context(), volume.Query{Name: "db"}, func(page []volume.Volume) error {
		for _, v := range page {
			got = append(got, v.ID)
		}
		return nil
	})
	if err != nil || len(got) != 1 || got[0] != "v1" {
		t.Errorf("%v, %v", got, err)
	}
}
