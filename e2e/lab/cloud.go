//go:build e2e

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// keystone is where every lab has it.
const keystone = "http://10.77.0.1:5000/v3"

// The services that are asked, by the types of the cloud's catalogue.
const (
	cinder = "volumev3"
	manila = "sharev2"
)

// cloud is the tests' own eyes in the cloud, with the administrator's account,
// which fuxi never has.
type cloud struct {
	keystone, user, password, scope string

	mu        sync.Mutex
	token     string
	endpoints map[string]string // by type of service
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

// gone tells that what was asked for is not there.
func gone(err error) bool {
	var r refusal
	return errors.As(err, &r) && r.status == http.StatusNotFound
}

// ask sends one request to a service. An answer that is no success is a refusal.
func (c *cloud) ask(service, method, path string, body, into any) error {
	if err := c.login(); err != nil {
		return err
	}
	c.mu.Lock()
	url, token := c.endpoints[service], c.token
	c.mu.Unlock()
	if url == "" {
		return fmt.Errorf("the cloud's catalogue has no %s", service)
	}
	_, err := send(service, method, url+path, token, body, into)
	return err
}

// login gets a token of the administrator, once.
func (c *cloud) login() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" {
		return nil
	}
	var out struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	domain := map[string]string{"name": "Default"}
	head, err := send("", "POST", c.keystone+"/auth/tokens", "", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": c.user, "password": c.password, "domain": domain}}},
		"scope": map[string]any{"project": map[string]any{"name": c.scope, "domain": domain}},
	}}, &out)
	if err != nil {
		return err
	}
	c.endpoints = map[string]string{}
	for _, service := range out.Token.Catalog {
		for _, e := range service.Endpoints {
			if e.Interface == "public" {
				c.endpoints[service.Type] = e.URL
			}
		}
	}
	c.token = head.Get("X-Subject-Token")
	return nil
}

func send(service, method, url, token string, body, into any) (http.Header, error) {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	switch service { // each has its own header
	case cinder:
		req.Header.Set("OpenStack-API-Version", "volume 3.60")
	case manila:
		req.Header.Set("X-OpenStack-Manila-API-Version", "2.74")
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = refusal{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, url, resp.Status, answer)}
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	return resp.Header, err
}

// revoke ends all tokens of a user: setting a password does, even the same.
func (c *cloud) revoke(user string) error {
	if err := c.login(); err != nil {
		return err
	}
	c.mu.Lock()
	token := c.token
	c.mu.Unlock()
	var found struct{ Users []struct{ ID string } }
	if _, err := send("", "GET", c.keystone+"/users?name="+user, token, nil, &found); err != nil {
		return err
	}
	if len(found.Users) != 1 {
		return fmt.Errorf("the cloud has %d users named %s", len(found.Users), user)
	}
	_, err := send("", "PATCH", c.keystone+"/users/"+found.Users[0].ID, token, map[string]any{"user": map[string]any{"password": "lab"}}, nil)
	return err
}
