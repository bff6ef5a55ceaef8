//go:build e2e

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// keystone is where every lab has it.
const keystone = "http://10.77.0.1:5000/v3"

// cloud is the tests' own eyes in the cloud, with the administrator's account,
// which fuxi never has.
type cloud struct {
	mu      sync.Mutex
	token   string
	project string
	cinder  string // endpoint with the project
}

// volume is a volume as the cloud shows it to its administrator.
type volume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	Size        int               `json:"size"`
	Type        string            `json:"volume_type"`
	Metadata    map[string]string `json:"metadata"`
	Attachments []struct {
		ID   string `json:"attachment_id"`
		Host string `json:"host_name"`
	} `json:"attachments"`
}

// attachment is one row of the cloud's table.
type attachment struct {
	ID     string `json:"id"`
	Volume string `json:"volume_id"`
	Status string `json:"status"`
}

// volumes lists those whose name begins with the prefix, of all projects.
func (c *cloud) volumes(prefix string) ([]volume, error) {
	var out struct {
		Volumes []volume `json:"volumes"`
	}
	if err := c.ask("GET", "/volumes/detail?all_tenants=1", nil, &out); err != nil {
		return nil, err
	}
	var mine []volume
	for _, v := range out.Volumes {
		if strings.HasPrefix(v.Name, prefix) {
			mine = append(mine, v)
		}
	}
	return mine, nil
}

// attachments lists all rows of a volume, reservations included.
func (c *cloud) attachments(id string) ([]attachment, error) {
	var out struct {
		Attachments []attachment `json:"attachments"`
	}
	err := c.ask("GET", "/attachments?all_tenants=1&volume_id="+id, nil, &out)
	return out.Attachments, err
}

// ask sends one request to Cinder. An answer that is no success is an error.
func (c *cloud) ask(method, path string, body, into any) error {
	if err := c.login(); err != nil {
		return err
	}
	c.mu.Lock()
	url, token := c.cinder+path, c.token
	c.mu.Unlock()
	_, err := send(method, url, token, body, into)
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
			Project struct{ ID string }
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	domain := map[string]string{"name": "Default"}
	head, err := send("POST", keystone+"/auth/tokens", "", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": "admin", "password": "lab", "domain": domain}}},
		"scope": map[string]any{"project": map[string]any{"name": "admin", "domain": domain}},
	}}, &out)
	if err != nil {
		return err
	}
	for _, service := range out.Token.Catalog {
		for _, e := range service.Endpoints {
			if service.Type == "volumev3" || service.Type == "block-storage" && e.Interface == "public" {
				c.cinder = e.URL
			}
		}
	}
	if c.cinder == "" {
		return fmt.Errorf("the cloud's catalogue has no block storage")
	}
	c.token, c.project = head.Get("X-Subject-Token"), out.Token.Project.ID
	return nil
}

func send(method, url, token string, body, into any) (http.Header, error) {
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
	req.Header.Set("OpenStack-API-Version", "volume 3.60")
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
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
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
	if _, err := send("GET", keystone+"/users?name="+user, token, nil, &found); err != nil {
		return err
	}
	if len(found.Users) != 1 {
		return fmt.Errorf("the cloud has %d users named %s", len(found.Users), user)
	}
	_, err := send("PATCH", keystone+"/users/"+found.Users[0].ID, token, map[string]any{"user": map[string]any{"password": "lab"}}, nil)
	return err
}
