package simulator

import (
	"fmt"
	"time"

	"github.com/openstack/fuxi/providers/simulator/internal/block"
	"github.com/openstack/fuxi/providers/simulator/internal/keystone"
)

func seedName(n int) string { return fmt.Sprintf("seed-%06d", n) }

// seed adds the seed volumes that this directory never had. They are marked as
// made by fuxi and never formatted, and their ages are a second apart.
func (c *Cloud) seed() error {
	had := c.block.Seeded()
	if had >= c.opts.Seed {
		return nil
	}
	user := c.keystone.Accounts().UserNamed(keystone.Member)
	first := time.Now().Truncate(time.Second).Add(-time.Duration(c.opts.Seed-had) * time.Second)
	volumes := make([]*block.Volume, 0, c.opts.Seed-had)
	for n := had + 1; n <= c.opts.Seed; n++ {
		name, created := seedName(n), first.Add(time.Duration(n-had)*time.Second)
		volumes = append(volumes, &block.Volume{
			Name: &name, Project: user.ProjectID, User: user.ID, Size: 1, Created: created,
			Metadata: map[string]string{
				"volume_from":  "fuxi",
				"fstype":       "ext4",
				"fuxi:v":       "1",
				"fuxi:created": created.UTC().Format(time.RFC3339),
			},
		})
	}
	return c.block.Seed(volumes, c.opts.Seed)
}
