package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/faults"
)

const maxAdminBody = 1 << 20

// adminRoutes adds the experimenter's own entrances, which need no token.
func (c *Cloud) adminRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /admin/counters", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, c.counters.All())
	})
	mux.HandleFunc("DELETE /admin/counters", func(w http.ResponseWriter, _ *http.Request) {
		c.counters.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /admin/faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, c.rules.All())
	})
	mux.HandleFunc("POST /admin/faults", c.addFaults)
	mux.HandleFunc("DELETE /admin/faults", func(w http.ResponseWriter, _ *http.Request) {
		c.rules.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /admin/expire-tokens", func(w http.ResponseWriter, _ *http.Request) {
		adminAnswer(w, http.StatusNoContent, nil, c.keystone.ExpireAll())
	})
	mux.HandleFunc("POST /admin/volumes/{id}", c.forceVolume)
	if c.nova != nil {
		mux.HandleFunc("POST /admin/servers/{id}", c.forceServer)
	}
	mux.HandleFunc("POST /admin/shares/{id}", c.forceShare)
}

func (c *Cloud) addFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdminBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rules, err := faults.Parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.rules.Add(rules)
	reply(w, http.StatusOK, c.rules.All())
}

// forced is what POST /admin/volumes/{id} may set; what is absent stays.
type forced struct {
	Name      *string           `json:"name"`
	Status    *string           `json:"status"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt *time.Time        `json:"created_at"`
	UpdatedAt *time.Time        `json:"updated_at"`
}

// forceVolume sets a volume's fields to anything, as no cloud would. The status
// stays until an operation changes it.
func (c *Cloud) forceVolume(w http.ResponseWriter, r *http.Request) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	var want forced
	if err := dec.Decode(&want); err != nil {
		http.Error(w, fmt.Sprintf("body: %v; allowed: an object with name, status, metadata, created_at "+
			"and updated_at (RFC 3339)", err), http.StatusBadRequest)
		return
	}
	if want.Status != nil && strings.TrimSpace(*want.Status) == "" {
		http.Error(w, `status: ""; allowed: any status, such as "error"`, http.StatusBadRequest)
		return
	}
	v, err := c.block.Force(r.PathValue("id"), want.apply)
	adminAnswer(w, http.StatusOK, v, err)
}

func (f *forced) apply(v *block.Volume) {
	if f.Name != nil {
		v.Name = f.Name
	}
	if f.Status != nil {
		v.Status = *f.Status
	}
	if f.Metadata != nil {
		v.Metadata = f.Metadata
	}
	if f.CreatedAt != nil {
		v.Created = f.CreatedAt.UTC().Truncate(time.Second)
	}
	if f.UpdatedAt != nil {
		v.Updated = f.UpdatedAt.UTC().Truncate(time.Second)
	}
}

func adminAnswer(w http.ResponseWriter, status int, body any, err error) {
	var refusal *block.Error
	switch {
	case errors.As(err, &refusal):
		http.Error(w, refusal.Message, refusal.Status)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		reply(w, status, body)
	}
}
