package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector"
)

// witness is a host whose storage tells who has a volume open.
type witness struct {
	*memoryHost
	exclusive string
	holders   []connector.Holder
	err       error
	asked     int
}

func (w *witness) Connect(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := w.memoryHost.Connect(ctx, conn)
	src.Proof = map[string]string{"exclusive": w.exclusive}
	return src, err
}

func (w *witness) Find(ctx context.Context, conn connector.Connection) (connector.Source, error) {
	src, err := w.memoryHost.Find(ctx, conn)
	src.Proof = map[string]string{"exclusive": w.exclusive}
	return src, err
}

func (w *witness) Holders(context.Context, connector.Connection) ([]connector.Holder, error) {
	w.asked++
	return w.holders, w.err
}

// TestStorageSaysWhoElseWrites_C4: the cloud gave the volume to this host, and
// the storage still sees another on it. Nothing is formatted or mounted, and it
// is given back.
func TestStorageSaysWhoElseWrites_C4(t *testing.T) {
	self := connector.Holder{Client: "client.1", Address: "10.0.0.1:0/1", Self: true}
	other := connector.Holder{Client: "client.7", Address: "10.0.0.7:0/7"}
	for _, formattedBefore := range []bool{false, true} {
		storageSaysWhoElse(t, formattedBefore, self, other)
	}
}

func storageSaysWhoElse(t *testing.T, formattedBefore bool, self, other connector.Holder) {
	for name, try := range map[string]struct {
		witness witness
		want    string // in the refusal, "" when it is mounted
		asked   bool
	}{
		"only this host":           {witness{exclusive: "false", holders: []connector.Holder{self}}, "", true},
		"another host":             {witness{exclusive: "false", holders: []connector.Holder{self, other}}, "client.7 at 10.0.0.7:0/7", true},
		"not known":                {witness{exclusive: "false", err: errors.New("rbd is not installed")}, "rbd is not installed", true},
		"the storage refuses them": {witness{exclusive: "true", holders: []connector.Holder{other}}, "", false},
	} {
		t.Run(fmt.Sprintf("%s, formatted %v", name, formattedBefore), func(t *testing.T) {
			c := newMemoryCloud()
			w := try.witness
			w.memoryHost = newMemoryHost(c, map[string]connector.Content{})
			s := engine(t, "A", t.TempDir(), c, w.memoryHost, "p")
			s.storages[0].Connectors["fake"] = &w
			ctx := context.Background()
			if formattedBefore {
				c.add("v1", "n", "available", formatted(), time.Now())
				has(w.content, "v1")
			} else if err := s.Create(ctx, "n", nil); err != nil {
				t.Fatal(err)
			}
			_, err := s.Mount(ctx, MountRequest{Name: "n", User: "u"})
			if (err == nil) != (try.want == "") || err != nil && !strings.Contains(err.Error(), try.want) {
				t.Errorf("Mount: %v", err)
			}
			if (w.asked > 0) != try.asked {
				t.Errorf("asked %d times", w.asked)
			}
			if err != nil && (len(w.formats) > 0 || len(c.att) > 0 || len(w.dev) > 0) {
				t.Errorf("formatted %v, attached %v, connected %v", w.formats, c.att, w.dev)
			}
		})
	}
}
