package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/openstack/fuxi/providers/simulator"
)

// server is a running cloud and what a test needs to talk to it.
type server struct {
	t     *testing.T
	cloud *simulator.Cloud
	dir   string
	base  string
}

func start(t *testing.T, dir string, opts simulator.Options) *server {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	ready := make(chan string, 1)
	opts.Ready = func(url string) { ready <- url }
	cloud, err := simulator.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cloud.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{t: t, cloud: cloud, dir: dir, base: strings.TrimSuffix(<-ready, "/v3")}
}

// user is somebody logged in.
type user struct {
	*server
	token   string
	project string
	version string
}

type object = map[string]any

// reply is an answer, read to its end.
type reply struct {
	Status int
	Header http.Header
	Raw    []byte
	Body   object
}

func (r reply) at(path ...string) any {
	var value any = r.Body
	for _, key := range path {
		m, _ := value.(object)
		value = m[key]
	}
	return value
}

func (s *server) send(method, url string, header http.Header, body any) (reply, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	if strings.HasPrefix(url, "/") {
		url = s.base + url
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	r := reply{Status: res.StatusCode, Header: res.Header, Raw: raw}
	_ = json.Unmarshal(raw, &r.Body)
	return r, err
}

func (s *server) admin(method, path string, body any) reply {
	s.t.Helper()
	r, err := s.send(method, "/admin"+path, nil, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *server) faults(rules string) {
	s.t.Helper()
	if r := s.admin("POST", "/faults", rules); r.Status != 200 {
		s.t.Fatalf("faults: %d %s", r.Status, r.Raw)
	}
}

// credentials reads one value of one cloud out of clouds.yaml.
func (s *server) credential(cloud, key string) string {
	s.t.Helper()
	_, rest, found := strings.Cut(read(s.t, s.cloud.CloudsFile()), "  "+cloud+":\n")
	_, value, ok := strings.Cut(rest, key+": \"")
	value, _, _ = strings.Cut(value, "\"")
	if !found || !ok {
		s.t.Fatalf("clouds.yaml: no %s in %s", key, cloud)
	}
	return value
}

func (s *server) passwordAuth(cloud string) object {
	domain := object{"name": "Default"}
	return object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{
			"name": s.credential(cloud, "username"), "password": s.credential(cloud, "password"), "domain": domain,
		}}},
		"scope": object{"project": object{"name": s.credential(cloud, "project_name"), "domain": domain}},
	}}
}

func (s *server) login(cloud string) *user {
	s.t.Helper()
	r, err := s.send("POST", "/v3/auth/tokens", nil, s.passwordAuth(cloud))
	if err != nil || r.Status != 201 {
		s.t.Fatalf("login: %v, %d %s", err, r.Status, r.Raw)
	}
	return &user{
		server: s, token: r.Header.Get("X-Subject-Token"),
		project: r.at("token", "project", "id").(string), version: "3.71",
	}
}

// at returns the same user speaking another microversion.
func (u *user) at(version string) *user {
	other := *u
	other.version = version
	return &other
}

func (u *user) try(method, path string, body any) (reply, error) {
	header := http.Header{"X-Auth-Token": {u.token}}
	if u.version != "" {
		header.Set("OpenStack-API-Version", "volume "+u.version)
	}
	if strings.HasPrefix(path, "/") {
		path = "/v3/" + u.project + path
	}
	return u.send(method, path, header, body)
}

func (u *user) do(method, path string, body any) reply {
	u.t.Helper()
	r, err := u.try(method, path, body)
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// want fails the test unless the answer has this status.
func (u *user) want(status int, method, path string, body any) reply {
	u.t.Helper()
	r := u.do(method, path, body)
	if r.Status != status {
		u.t.Fatalf("%s %s: %d %s; want %d", method, path, r.Status, r.Raw, status)
	}
	return r
}
