package simulator_test

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"

	"github.com/openstack/fuxi/providers/simulator"
)

// TestGophercloud drives the cloud with a client that was written for real ones.
func TestGophercloud(t *testing.T) {
	s := start(t, "", simulator.Options{Seed: 2500})
	client := s.gophercloud(gophercloud.AuthOptions{
		Username: s.credential("sim", "username"), Password: s.credential("sim", "password"),
		TenantName: s.credential("sim", "project_name"), DomainName: "Default",
	})
	pages, err := volumes.List(client, volumes.ListOpts{Metadata: map[string]string{"volume_from": "fuxi"}}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all, err := volumes.ExtractVolumes(pages); err != nil || len(all) != 2500 {
		t.Errorf("listed %d volumes: %v", len(all), err)
	}
	made, err := volumes.Create(t.Context(), client, volumes.CreateOpts{Size: 1, Name: "g"}, nil).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if err := volumes.WaitForStatus(t.Context(), client, made.ID, "available"); err != nil {
		t.Fatal(err)
	}
	a, err := attachments.Create(t.Context(), client, reservation(made.ID)).Extract()
	if err != nil {
		t.Fatal(err)
	}
	a, err = attachments.Update(t.Context(), client, a.ID, attachments.UpdateOpts{Connector: map[string]any{"host": "h"}}).Extract()
	if err != nil || a.ConnectionInfo["device_path"] != s.raw(made.ID) {
		t.Fatalf("%v: %+v", err, a)
	}
	if err := attachments.Complete(t.Context(), client, a.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	got, err := volumes.Get(t.Context(), client, made.ID).Extract()
	if err != nil || len(got.Attachments) != 1 || got.CreatedAt.IsZero() || got.Attachments[0].AttachedAt.IsZero() {
		t.Errorf("%v: %+v", err, got)
	}
	if err := attachments.Delete(t.Context(), client, a.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if err := volumes.Delete(t.Context(), client, made.ID, nil).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}

func TestGophercloudApplicationCredential(t *testing.T) {
	s := start(t, "", simulator.Options{})
	client := s.gophercloud(gophercloud.AuthOptions{
		ApplicationCredentialID:     s.credential("sim-appcred", "application_credential_id"),
		ApplicationCredentialSecret: s.credential("sim-appcred", "application_credential_secret"),
		AllowReauth:                 true,
	})
	s.admin("POST", "/expire-tokens", nil)
	if _, err := volumes.List(client, nil).AllPages(t.Context()); err != nil {
		t.Errorf("after the tokens expired: %v", err)
	}
}

func (s *server) gophercloud(auth gophercloud.AuthOptions) *gophercloud.ServiceClient {
	s.t.Helper()
	auth.IdentityEndpoint = s.cloud.URL()
	provider, err := openstack.AuthenticatedClient(s.t.Context(), auth)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := openstack.NewBlockStorageV3(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	if err != nil {
		s.t.Fatal(err)
	}
	client.Microversion = "3.44"
	return client
}

// reservation is an attachment's request without an instance, which the
// client's own options cannot say.
type reservation string

// ToAttachmentCreateMap makes the body.
func (r reservation) ToAttachmentCreateMap() (map[string]any, error) {
	return object{"attachment": object{"volume_uuid": string(r)}}, nil
}
