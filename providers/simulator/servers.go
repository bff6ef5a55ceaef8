package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
	"github.com/openstack/fuxi/providers/simulator/internal/nova"
)

// Server is a virtual machine of the member's project. A cloud with servers has
// a Compute service, which attaches volumes to them.
type Server struct {
	ID   string // uuid
	Name string // "" is "server" and the beginning of the id
	// MaxDisks is how many disks it may have, its own included; 0 is no limit.
	MaxDisks int
	// Console is the management console's socket of a user-mode Linux kernel:
	// volumes are really plugged into it. "" is a server that nobody looks into.
	// That process must be in the same network namespace, and find the cloud's
	// directory: where it has another name there, From and To are the two.
	Console, From, To string
}

// startServers opens the Compute service, if there is anything for it to do.
func (c *Cloud) startServers() error {
	if len(c.opts.Servers) == 0 {
		return nil
	}
	user := c.keystone.Accounts().UserNamed(keystone.Member)
	guests := map[string]nova.Guest{}
	servers := make([]nova.Server, 0, len(c.opts.Servers))
	for _, s := range c.opts.Servers {
		if s.Name == "" {
			s.Name = fmt.Sprintf("server-%.8s", s.ID)
		}
		servers = append(servers, nova.Server{ID: s.ID, Name: s.Name, Project: user.ProjectID, User: user.ID, Status: nova.Active, MaxDisks: s.MaxDisks})
		if s.Console != "" {
			guests[s.ID] = nova.Guest{Console: s.Console, From: s.From, To: s.To}
		}
	}
	var err error
	c.nova, err = nova.Open(c.store, c.block, nova.Options{Servers: servers, Settle: c.opts.Settle, Hypervisor: nova.NewUML(guests)})
	if err == nil {
		c.keystone.Offer("nova", "compute", "/v2.1")
	}
	return err
}

// forcedServer is what POST /admin/servers/{id} may set; what is absent stays.
type forcedServer struct {
	Status       *string `json:"status"`
	Task         *string `json:"task_state"`
	Locked       *bool   `json:"locked"`
	MaxDisks     *int    `json:"max_disks"`
	FailAttach   *int    `json:"fail_attach"`
	IgnoreDetach *int    `json:"ignore_detach"`
}

// forceServer sets a server's fields to anything, as no cloud would.
func (c *Cloud) forceServer(w http.ResponseWriter, r *http.Request) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	var want forcedServer
	if err := dec.Decode(&want); err != nil {
		http.Error(w, fmt.Sprintf("body: %v; allowed: an object with status, task_state, locked, max_disks, fail_attach and ignore_detach", err), http.StatusBadRequest)
		return
	}
	s, err := c.nova.Edit(block.Caller{Admin: true}, r.PathValue("id"), func(s *nova.Server) error {
		set(&s.Status, want.Status)
		set(&s.Task, want.Task)
		set(&s.Locked, want.Locked)
		set(&s.MaxDisks, want.MaxDisks)
		set(&s.FailAttach, want.FailAttach)
		set(&s.IgnoreDetach, want.IgnoreDetach)
		return nil
	})
	adminAnswer(w, http.StatusOK, s, err)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
