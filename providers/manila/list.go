package manila

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// List calls page for each page of this cluster's shares. Manila cannot be asked
// for what has changed since a time, so ChangedSince is not looked at: more comes
// back than was asked for, never less.
//
// What the filters return is checked again: Manila's database compares names
// without regard to case and to spaces at the end. A query by name finds shares
// by their name in the cloud; one that was adopted under another name carries it
// as fuxi:name and is found by listing everything.
//
// Pages are counted off, since the marker that Manila puts in its links does
// nothing. They are ordered by id and overlap by one, which shows when shares
// before it went away meanwhile: then the next page begins earlier, so that none
// is left out.
func (p *Provider) List(ctx context.Context, q volume.Query, page func([]volume.Volume) error) error {
	doing := "list shares"
	if q.Name != "" {
		doing = fmt.Sprintf("list shares named %q", q.Name)
	}
	query := p.filter(q)
	last, offset, back := "", 0, 1
	for {
		query.Set("offset", strconv.Itoa(offset))
		wire, more, err := p.page(ctx, doing, query)
		if err != nil {
			return err
		}
		if offset > 0 && (len(wire) == 0 || string(wire[0].ID) > last) {
			back *= 4
			offset = max(0, offset-back)
			continue
		}
		if err := page(p.matching(wire, q)); err != nil {
			return err
		}
		if !more || len(wire) == 0 {
			return nil
		}
		last, offset, back = string(wire[len(wire)-1].ID), offset+len(wire)-1, 1
	}
}

// filter builds the query of all pages.
func (p *Provider) filter(q volume.Query) url.Values {
	query := url.Values{
		"limit": {strconv.Itoa(p.cfg.PageSize)}, "sort_key": {"id"}, "sort_dir": {"asc"},
		"metadata": {"{'volume_from': " + pythonString(p.cfg.Cluster) + "}"},
	}
	if q.Name != "" {
		query.Set("name", q.Name)
	}
	return query
}

// pythonString quotes for Manila, which reads the metadata filter as a literal
// of Python.
func pythonString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// page reads one page and whether another follows. An operator may have made the
// largest page smaller than what was asked for: the link tells.
func (p *Provider) page(ctx context.Context, doing string, query url.Values) ([]shareJSON, bool, error) {
	var answer struct {
		Shares *[]shareJSON `json:"shares"`
		Links  openstack.List[struct {
			Rel openstack.Text `json:"rel"`
		}] `json:"shares_links"`
	}
	err := p.callIn(ctx, recycleVersion, openstack.Call{Method: http.MethodGet, Path: "shares/detail", Query: query, Doing: doing}, &answer)
	if err != nil {
		return nil, false, err
	}
	if answer.Shares == nil {
		return nil, false, p.nonsense(doing, "has no list of shares")
	}
	for _, w := range *answer.Shares {
		if w.ID == "" {
			return nil, false, p.nonsense(doing, "has a share without an id")
		}
	}
	more := len(*answer.Shares) >= p.cfg.PageSize
	for _, l := range answer.Links {
		more = more || l.Rel == "next"
	}
	return *answer.Shares, more, nil
}

// matching keeps what the query means.
func (p *Provider) matching(wire []shareJSON, q volume.Query) []volume.Volume {
	found := make([]volume.Volume, 0, len(wire))
	for i := range wire {
		v := p.share(&wire[i])
		if v.Marks.From != p.cfg.Cluster || q.Name != "" && v.Name != q.Name {
			continue
		}
		found = append(found, v)
	}
	return found
}
