package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator/internal/share"
)

// forcedShare is what POST /admin/shares/{id} may set; what is absent stays.
type forcedShare struct {
	Name      *string           `json:"name"`
	Status    *string           `json:"status"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt *time.Time        `json:"created_at"`
	Exports   []share.Export    `json:"exports"`
	InBin     *bool             `json:"is_soft_deleted"`
	Message   string            `json:"message"` // what the cloud says about the share
}

// forceShare sets a share's fields to anything, as no cloud would. The status
// stays until an operation changes it.
func (c *Cloud) forceShare(w http.ResponseWriter, r *http.Request) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	var want forcedShare
	if err := dec.Decode(&want); err != nil {
		http.Error(w, fmt.Sprintf("body: %v; allowed: an object with name, status, metadata, created_at (RFC 3339), "+
			"exports (path, preferred, admin_only), is_soft_deleted and message", err), http.StatusBadRequest)
		return
	}
	s, err := c.shares.Force(r.PathValue("id"), want.Message, want.apply)
	var refusal *share.Error
	if errors.As(err, &refusal) {
		http.Error(w, refusal.Message, refusal.Status)
		return
	}
	adminAnswer(w, http.StatusOK, s, err)
}

func (f *forcedShare) apply(s *share.Share) {
	if f.Name != nil {
		s.Name = f.Name
	}
	if f.Status != nil {
		s.Status = *f.Status
	}
	if f.Metadata != nil {
		s.Metadata = f.Metadata
	}
	if f.CreatedAt != nil {
		s.Created = f.CreatedAt.UTC()
	}
	if f.Exports != nil {
		s.Exports = f.Exports
		for i := range s.Exports {
			s.Exports[i].ID = uuid.NewString()
		}
	}
	if f.InBin != nil {
		s.InBin = *f.InBin
	}
}
