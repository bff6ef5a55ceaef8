package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// player plays one story.
type player struct {
	cloud  *Cloud
	people map[string]person
	vars   map[string]string
	made   []string // ids of volumes
	shares []string // ids of shares
}

func (p *player) play(t *testing.T, story Story) {
	book, err := openBook(story.Name)
	if err != nil && !p.cloud.Record {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, id := range p.made {
			if err := p.remove(id); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	t.Cleanup(func() {
		for _, id := range p.shares {
			if err := p.removeShare(id); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	fresh := book.empty()
	for _, c := range story.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if fresh.Answers[c.Name] != nil {
				t.Fatal("two cases of this story have this name")
			}
			seen := p.check(t, c)
			if seen == nil {
				return
			}
			fresh.Answers[c.Name] = seen
			if p.cloud.Record {
				return
			}
			for _, difference := range seen.compare(book.Answers[c.Name], c, p.open(c)) {
				t.Errorf("not as recorded: %s", difference)
			}
		})
	}
	if p.cloud.Record && !t.Failed() {
		if err := fresh.save(); err != nil {
			t.Error(err)
		}
	}
}

// open are the places where an answer may say more than was recorded: the world
// around a real cloud's types and services grows, the simulator's does not.
func (p *player) open(c Case) []string {
	if p.cloud.Real {
		return c.Partial
	}
	return nil
}

// check makes a case's request and holds the answer against the table.
func (p *player) check(t *testing.T, c Case) *Answer {
	t.Helper()
	time.Sleep(c.After)
	q, err := p.request(c)
	if err != nil {
		t.Fatal(err)
	}
	r, faults, err := p.ask(q, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Errorf("%s %s: %s", q.method, q.url, fault)
	}
	if len(faults) > 0 {
		t.Logf("sent %s\nanswer %d %s", q.body, r.status, r.raw)
	}
	p.keep(t, c, r)
	return describe(r, c, p.vars)
}

// ask sends the request, and again while a case waits for what is to come.
func (p *player) ask(q request, c Case) (reply, []string, error) {
	end := time.Now().Add(p.cloud.Patience)
	for {
		r, err := q.send()
		if err != nil {
			return r, nil, err
		}
		p.remember(q, r)
		faults := p.faults(c, r)
		if len(faults) == 0 || !c.Wait || time.Now().After(end) {
			return r, faults, nil
		}
		time.Sleep(min(p.cloud.Patience/300, 200*time.Millisecond))
	}
}

// faults tells what is not as the table wants it.
func (p *player) faults(c Case, r reply) []string {
	if r.status != c.Status {
		return []string{fmt.Sprintf("status %d; want %d", r.status, c.Status)}
	}
	var all []string
	for path, want := range c.Want {
		if fault := differs(r.body, path, want, p.vars); fault != "" {
			all = append(all, fault)
		}
	}
	for name, want := range c.Header {
		if has := r.header.Get(name); has == "" || want != "*" && has != want {
			all = append(all, fmt.Sprintf("header %s is %q; want %q", name, has, want))
		}
	}
	says, err := fill(c.Says, p.vars)
	if err != nil {
		return append(all, err.Error())
	}
	if !strings.Contains(string(r.raw), says) {
		all = append(all, fmt.Sprintf("the answer does not say %q", says))
	}
	return all
}

// remember notes the volumes and shares made, for the end of the story.
func (p *player) remember(q request, r reply) {
	p.rememberShare(q, r)
	if q.method != http.MethodPost || r.status != http.StatusAccepted || !strings.HasSuffix(q.url, "/volumes") {
		return
	}
	if id := text(r.body, "volume.id"); id != "" {
		p.made = append(p.made, id)
	}
}

func (p *player) keep(t *testing.T, c Case, r reply) {
	t.Helper()
	for name, path := range c.Keep {
		if header, is := strings.CutPrefix(path, "header:"); is {
			p.vars[name] = r.header.Get(header)
			continue
		}
		value, found := at(r.body, path)
		if !found {
			t.Errorf("the answer has no %s: %s", path, r.raw)
			continue
		}
		p.vars[name] = fmt.Sprint(value)
	}
}

func (p *player) request(c Case) (request, error) {
	who := c.As
	if who == "" {
		who = member
	}
	caller := p.people[who]
	do, err := fill(c.Do, p.vars)
	if err != nil {
		return request{}, err
	}
	body, err := fill(c.Body, p.vars)
	if err != nil {
		return request{}, err
	}
	method, path, _ := strings.Cut(do, " ")
	q := request{method: method, body: body, header: map[string]string{}}
	if caller.token != "" {
		q.header["X-Auth-Token"] = caller.token
	}
	if rest, is := strings.CutPrefix(path, "keystone:"); is {
		q.url = p.cloud.AuthURL + rest
	} else if rest, is := strings.CutPrefix(path, "manila:"); is {
		p.toManila(&q, caller, c, rest)
	} else {
		q.url = p.cinderURL(caller, path)
		if c.Version == "" {
			q.header["OpenStack-API-Version"] = "volume " + baseVersion
		} else if c.Version != "none" {
			q.header["OpenStack-API-Version"] = "volume " + c.Version
		}
	}
	for name, value := range c.Send {
		if q.header[name], err = fill(value, p.vars); err != nil {
			return request{}, err
		}
	}
	return q, nil
}

// cinderURL: who has no endpoint uses the member's.
func (p *player) cinderURL(caller person, path string) string {
	endpoint := caller.endpoint
	if endpoint == "" {
		endpoint = p.people[member].endpoint
	}
	if rest, is := strings.CutPrefix(path, "cinder:"); is {
		root, _, _ := strings.Cut(endpoint, "/v3")
		return root + rest
	}
	return endpoint + path
}
