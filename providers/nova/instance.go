package nova

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/providers/openstack"
	"github.com/openstack/fuxi/volume"
)

// Sources are where a machine can learn which server it is, best first. Those
// that are nil or empty are left out.
type Sources struct {
	// Configured is the id of [nova] instance_id.
	Configured string
	// ConfigDrive reads the config drive; "" when the machine has none.
	ConfigDrive func(ctx context.Context) (string, error)
	// MetadataURL is the address of the metadata service's document; "" is
	// DefaultMetadataURL, "off" does not ask.
	MetadataURL string
	// Firmware are the ids that the machine's firmware may mean, the likeliest
	// first: libvirt gives the server's id as that of the system, of which some
	// firmwares turn the first three fields round.
	Firmware func() []string
}

// Instance knows which server this machine is. It asks at the first question,
// so that a daemon starts with its cloud dead, and remembers the answer once the
// cloud has confirmed it.
type Instance struct {
	compute *openstack.Session
	sources Sources

	asking chan struct{} // held by the one who asks
	mu     sync.Mutex
	id     string
}

// NewInstance returns an Instance. It asks nobody.
func NewInstance(compute *openstack.Session, sources Sources) *Instance {
	return &Instance{compute: compute, sources: sources, asking: make(chan struct{}, 1)}
}

// Known is the id if ID has found it, else "".
func (i *Instance) Known() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.id
}

// ID returns the id of the server that this machine is, confirmed by Nova.
//
// Sources that name two different servers of the cloud are ErrUnsafe, whichever
// came first: a settings file that was copied with a machine's image names the
// original, and its volumes would be given to that one. What only firmware says
// and no server bears is some hardware's own id.
func (i *Instance) ID(ctx context.Context) (string, error) {
	if id := i.Known(); id != "" {
		return id, nil
	}
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if id := i.Known(); id != "" {
		return id, nil
	}
	id, err := i.find(ctx)
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	i.id = id
	i.mu.Unlock()
	return id, nil
}

// claim is what one source says.
type claim struct {
	id, from string
	weak     bool // hardware may say something here too
}

func (i *Instance) find(ctx context.Context) (string, error) {
	claims, tried := i.claims(ctx)
	var exists []claim
	for _, c := range claims {
		if slices.ContainsFunc(exists, func(o claim) bool { return o.id == c.id }) {
			continue
		}
		is, err := i.confirm(ctx, c.id)
		if err != nil {
			return "", err
		}
		switch {
		case is:
			exists = append(exists, c)
		case !c.weak:
			return "", volume.Errorf(volume.ErrInvalid, "%s says that this machine is server %s, and project %s of cloud %q has no such server: attach volumes by another account, or set [nova] instance_id", c.from, c.id, i.compute.ProjectID(), i.compute.Name())
		}
	}
	switch {
	case len(exists) == 1:
		return exists[0].id, nil
	case len(exists) > 1:
		return "", volume.Errorf(volume.ErrUnsafe, "it is not clear which server this machine is: %s says %s, %s says %s, and both exist; correct the one that is wrong",
			exists[0].from, exists[0].id, exists[1].from, exists[1].id)
	}
	return "", volume.Errorf(volume.ErrInvalid, "it cannot be found out which server of cloud %q this machine is: %s; if it is one, set [nova] instance_id, else set [cinder] connector = \"host\"", i.compute.Name(), strings.Join(tried, "; "))
}

// claims asks the sources. The metadata service is asked only where nothing
// nearer speaks: it may take seconds where there is none. tried says in words
// what each that said nothing found.
func (i *Instance) claims(ctx context.Context) (all []claim, tried []string) {
	add := func(id, from string, weak bool) {
		if id = strings.ToLower(strings.TrimSpace(id)); id != "" {
			all = append(all, claim{id, from, weak})
		}
	}
	add(i.sources.Configured, "[nova] instance_id", false)
	if read := i.sources.ConfigDrive; read != nil {
		id, err := read(ctx)
		add(id, "the config drive", false)
		if id == "" {
			tried = append(tried, fmt.Sprintf("no config drive (%v)", orNone(err)))
		}
	}
	if len(all) == 0 && i.sources.MetadataURL != "off" {
		id, err := metadata(ctx, i.sources.MetadataURL)
		add(id, "the metadata service", false)
		if err != nil {
			tried = append(tried, err.Error())
		}
	}
	if i.sources.Firmware != nil {
		said := i.sources.Firmware()
		for _, id := range said {
			add(id, "the firmware (DMI product_uuid)", true)
		}
		tried = append(tried, fmt.Sprintf("the firmware says %q, which is no server of this project", said))
	}
	return slices.DeleteFunc(all, func(c claim) bool { return c.weak && !connector.IsUUID(c.id) }), tried
}

func orNone(err error) string {
	if err == nil {
		return "none there"
	}
	return err.Error()
}

// confirmTime bounds one question: nothing was sent to the cloud yet that could
// be lost.
const confirmTime = 30 * time.Second

// confirm asks Nova whether the server exists, in this project.
func (i *Instance) confirm(ctx context.Context, id string) (bool, error) {
	if err := checkID("server", id); err != nil {
		return false, err
	}
	err := call(ctx, i.compute, openstack.Call{Path: "servers/" + id, Doing: "show server " + id, Timeout: confirmTime}, nil)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
