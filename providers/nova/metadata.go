package nova

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// DefaultMetadataURL is where a server reads about itself (Nova's metadata API in
// OpenStack's own format).
const DefaultMetadataURL = "http://169.254.169.254/openstack/latest/meta_data.json"

// The metadata service is near, and at boot the network may come a moment after
// the daemon.
const (
	metadataTries   = 3
	metadataTimeout = 3 * time.Second
	maxMetadata     = 1 << 20
)

// metadata asks the metadata service for this server's id. Never through a proxy:
// that would be told about itself.
func metadata(ctx context.Context, url string) (string, error) {
	url = cmp.Or(url, DefaultMetadataURL)
	client := &http.Client{Timeout: metadataTimeout, Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: metadataTimeout / 2}).DialContext, DisableKeepAlives: true,
	}}
	var err error
	for try := range metadataTries {
		var id string
		if id, err = metadataOnce(ctx, client, url); err == nil || ctx.Err() != nil {
			return id, err
		}
		if pause(ctx, 2*try) != nil {
			break
		}
	}
	return "", fmt.Errorf("the metadata service did not answer %d times: %w", metadataTries, err)
}

func metadataOnce(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, resp.Status)
	}
	var document struct {
		UUID string `json:"uuid"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxMetadata)).Decode(&document); err != nil {
		return "", fmt.Errorf("%s: %w", url, err)
	}
	if document.UUID == "" {
		return "", errors.New(url + ": the document has no uuid")
	}
	return document.UUID, nil
}
