package host_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

func TestMountReaches(t *testing.T) {
	const row = "50 1 7:1 /data /volumes/v rw - ext4 /dev/loop1 rw\n"
	mine := host.Mount{Dev: host.Number{Major: 7, Minor: 1}, Root: "/data", Point: "/volumes/v"}
	t.Setenv("INVOCATION_ID", "x")
	for name, c := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"same as PID 1": {map[string]string{"proc/1/ns/mnt": "-> mnt:[2]"}, true},
		"same as PID 1, dockerd in a namespace of its own": {map[string]string{"proc/1/ns/mnt": "-> mnt:[2]",
			"proc/50/ns/mnt": "-> mnt:[3]", "proc/50/comm": "dockerd\n", "proc/50/mountinfo": ""}, true},
		"with dockerd in a private namespace": {map[string]string{"proc/50/ns/mnt": "-> mnt:[2]", "proc/50/comm": "dockerd\n"}, true},
		"one of two dockerds is ours": {map[string]string{"proc/40/ns/mnt": "-> mnt:[3]", "proc/40/comm": "dockerd\n", "proc/40/mountinfo": "",
			"proc/50/ns/mnt": "-> mnt:[2]", "proc/50/comm": "dockerd\n"}, true},
		"dockerd elsewhere does not see it": {map[string]string{"proc/50/ns/mnt": "-> mnt:[3]", "proc/50/comm": "dockerd\n",
			"proc/50/mountinfo": "1 1 254:0 / / rw - ext4 /dev/vda rw\n"}, false},
		"propagated to dockerd": {map[string]string{"proc/50/ns/mnt": "-> mnt:[3]", "proc/50/comm": "dockerd\n",
			"proc/50/mountinfo": strings.Replace(row, "/volumes/v", "/plugins/rootfs/v", 1)}, true},
		"alone in a private namespace":   {nil, true},
		"a service with its own, alone":  {map[string]string{"proc/self/stat": "9 (fuxi) S 1 9 9 0"}, false},
		"a child of a service, unshared": {map[string]string{"proc/self/stat": "9 (fuxi) S 8 9 9 0"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"proc/self/ns/mnt": "-> mnt:[2]", "proc/self/mountinfo": row + "51 1 0:9 /systemd-private-1/tmp /tmp rw - tmpfs tmpfs rw\n",
				"proc/1/ns/mnt": "-> mnt:[1]", "proc/1/comm": "systemd\n", "proc/1/mountinfo": ""}
			for path, content := range c.files {
				files[path] = content
			}
			h := tree(t, files)
			for range 2 { // the second time from memory
				err := h.MountReaches(mine)
				if (err == nil) != c.want || err != nil && (!errors.Is(err, host.ErrNotReached) || !strings.Contains(err.Error(), "PrivateTmp=")) {
					t.Errorf("got %v, want it to reach: %v", err, c.want)
				}
			}
		})
	}
}
