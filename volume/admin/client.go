package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/openstack/fuxi/volume"
)

const (
	dialTimeout = 5 * time.Second
	lookTimeout = 3 * lookBudget
)

// Client asks the daemon behind one socket. It is a Service, safe for
// concurrent use, and keeps no connection open. Besides the six kinds an error
// may be ErrNoDaemon or fs.ErrPermission.
type Client struct {
	socket  string
	http    *http.Client
	version string
}

// Dial makes sure that a fuxi answers on the socket and returns a Client of
// it. It takes at most five seconds.
func Dial(ctx context.Context, socket string) (*Client, error) {
	c := &Client{socket: socket}
	var dialer net.Dialer
	c.http = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	reply, err := ask[versionReply](ctx, c, pathVersion)
	if err != nil {
		return nil, err
	}
	c.version = reply.Fuxi
	return c, nil
}

// Version is the daemon's version, "" if it is still starting.
func (c *Client) Version() string { return c.version }

// Create makes a volume, or finds it made as asked. It returns when the volume
// can be used; when ctx ends first the daemon goes on.
func (c *Client) Create(ctx context.Context, name string, raw map[string]string) error {
	return c.order(ctx, pathCreate, createRequest{Name: name, Options: raw})
}

// Remove deletes or releases a volume. Success for one that does not exist.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.order(ctx, pathRemove, removeRequest{Name: name})
}

// Format erases a volume and makes a filesystem on it.
func (c *Client) Format(ctx context.Context, req volume.FormatRequest) error {
	return c.order(ctx, pathFormat, req)
}

// Grow makes a volume larger. When ctx ends first the daemon goes on, and the
// same order waits for it.
func (c *Client) Grow(ctx context.Context, req volume.GrowRequest) (volume.Grown, error) {
	var grown volume.Grown
	err := c.post(ctx, pathGrow, req, &grown)
	return grown, err
}

// Get tells about one volume.
func (c *Client) Get(ctx context.Context, name string) (volume.Info, error) {
	return fetch[volume.Info](ctx, c, pathVolume+"?name="+url.QueryEscape(name))
}

// Infos tells about all volumes of the cluster, sorted by name.
func (c *Client) Infos(ctx context.Context) ([]volume.Info, error) {
	return fetch[[]volume.Info](ctx, c, pathVolumes)
}

// Status tells about the daemon.
func (c *Client) Status(ctx context.Context) (volume.Status, error) {
	return fetch[volume.Status](ctx, c, pathStatus)
}

func (c *Client) order(ctx context.Context, path string, req any) error {
	return c.post(ctx, path, req, &struct{}{})
}

func (c *Client) post(ctx context.Context, path string, req, reply any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path, body, reply)
}

// fetch asks for something that the daemon has at hand.
func fetch[T any](ctx context.Context, c *Client, path string) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return ask[T](ctx, c, path)
}

func ask[T any](ctx context.Context, c *Client, path string) (T, error) {
	var reply T
	err := c.call(ctx, http.MethodGet, path, nil, &reply)
	return reply, err
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, reply any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://fuxi"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return c.explain(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, reply); err != nil {
			return c.notFuxi()
		}
		return nil
	}
	var f failure
	if err := json.Unmarshal(text, &f); err != nil || f.Text == "" {
		return c.notFuxi()
	}
	return f.err()
}
