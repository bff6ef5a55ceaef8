package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack/fuxi/config"
	"github.com/openstack/fuxi/volume"
)

func TestLs(t *testing.T) {
	socket := daemonOf(t, &cloudless{infos: someVolumes()})
	const want = `NAME      SIZE      TYPE      STATE       FILESYSTEM  ATTACHED-TO  USERS  MOUNTPOINT
db        100 GiB   存储      in-use      xfs         host node2   -      -
web-site  1 GiB     ssd       in-use      ext4        host node1   3      /var/lib/fuxi/mounts/web-site
x         2048 GiB  ` + "e\u0301" + `\x1b[2J  available?  (ext4)      -            -      -
`
	for _, c := range []struct {
		args string
		want said
	}{
		{"ls", said{0, want, ""}},
		{"ls -q", said{0, "db\nweb-site\nx\n", ""}},
		{"ls -q web* x", said{0, "web-site\nx\n", ""}},
		{"ls -q x nosuch z*", said{4, "x\n", "fuxi: no such volume: nosuch\nfuxi: no such volume: z*\n"}},
	} {
		if got := fuxiSays(t, at(socket, strings.Fields(c.args)...)...); got != c.want {
			t.Errorf("%s:\n%+v\nwant\n%+v", c.args, got, c.want)
		}
	}
	got := fuxiSays(t, at(socket, "ls", "--json")...)
	var infos []volume.Info
	if err := json.Unmarshal([]byte(got.out), &infos); err != nil || len(infos) != 3 || infos[1].ID != "id-web" || infos[1].Name != "web-site" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLsOfNothing(t *testing.T) {
	socket := daemonOf(t, &cloudless{})
	if got := fuxiSays(t, at(socket, "ls", "--json")...); got != (said{0, "[]\n", ""}) {
		t.Errorf("%+v", got)
	}
}

func TestCreate(t *testing.T) {
	svc := &cloudless{failures: map[string]error{
		"bad":  volume.Errorf(volume.ErrInvalid, "option size=x: a whole number of GiB"),
		"busy": volume.Errorf(volume.ErrConflict, "there is another"),
		"slow": volume.Errorf(volume.ErrUnavailable, "creating slow goes on"),
	}}
	socket := daemonOf(t, svc)
	if got := fuxiSays(t, at(socket, "create", "v", "-o", "size=3", "--opt", "metadata.a=b,c=d")...); got != (said{0, "v\n", ""}) {
		t.Errorf("%+v", got)
	}
	if want := map[string]string{"size": "3", "metadata.a": "b,c=d"}; !maps.Equal(svc.options, want) {
		t.Errorf("options %v", svc.options)
	}
	for name, want := range map[string]said{
		"bad":  {2, "", "fuxi: option size=x: a whole number of GiB\n"},
		"busy": {5, "", "fuxi: there is another\n"},
		"slow": {7, "", "fuxi: creating slow goes on\n"},
	} {
		if got := fuxiSays(t, at(socket, "create", name)...); got != want {
			t.Errorf("%+v", got)
		}
	}
	for _, args := range []string{"create -o help", "create v -o help"} {
		if got := fuxiSays(t, strings.Fields(args)...); got != (said{0, volume.OptionsHelp(), ""}) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestRmTriesAll(t *testing.T) {
	svc := &cloudless{infos: someVolumes(), failures: map[string]error{"db": volume.Errorf(volume.ErrInUse, "db is attached to host node2")}}
	socket := daemonOf(t, svc)
	for args, want := range map[string]said{
		"rm db x":              {5, "x\n", "fuxi: db is attached to host node2\n"},
		"rm db nosuch x":       {1, "x\n", "fuxi: db is attached to host node2\nfuxi: no such volume: nosuch\n"},
		"rm -f nosuch x":       {0, "nosuch\nx\n", ""},
		"rm nosuch nosuch2 x ": {4, "x\n", "fuxi: no such volume: nosuch\nfuxi: no such volume: nosuch2\n"},
	} {
		if got := fuxiSays(t, at(socket, strings.Fields(args)...)...); got != want {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestFormat(t *testing.T) {
	svc := &cloudless{failures: map[string]error{"db": volume.Errorf(volume.ErrUnsafe, "db is not formatted")}}
	socket := daemonOf(t, svc)
	explains := func(name string) said {
		return said{2, "", "fuxi: format destroys what is on " + name + ", and nothing was done: if nobody wants it, say fuxi format " + name + " --erase --id VOLUME_ID, with the id that fuxi inspect " + name + " shows\n"}
	}
	for args, want := range map[string]said{
		"format x":                              explains("x"),
		"format x --erase":                      explains("x"),
		"format x --id id-x":                    explains("x"),
		"format db --erase --id id-db":          {6, "", "fuxi: db is not formatted\n"},
		"format x --erase --id i --fstype=xfs ": {0, "x (i) has a new filesystem\n", ""},
	} {
		svc.format = volume.FormatRequest{}
		if got := fuxiSays(t, at(socket, strings.Fields(args)...)...); got != want {
			t.Errorf("%s: %+v", args, got)
		}
		if want.code == exitUsage && svc.format.Name != "" {
			t.Errorf("%s was sent: %+v", args, svc.format)
		}
	}
}

func TestGrow(t *testing.T) {
	svc := &cloudless{failures: map[string]error{"db": volume.Errorf(volume.ErrInUse, "db is attached to host node2")}}
	socket := daemonOf(t, svc)
	for _, c := range []struct {
		args  string
		grown volume.Grown
		want  said
	}{
		{"grow web 2G", volume.Grown{Name: "web", WasGiB: 1, SizeGiB: 2, Reached: volume.ReachFilesystem},
			said{0, "web has 2 GiB now, it had 1, and so has its filesystem\n", ""}},
		{"grow web 2gib", volume.Grown{Name: "web", WasGiB: 2, SizeGiB: 2, Reached: volume.ReachFilesystem},
			said{0, "web has 2 GiB, and so has its filesystem\n", ""}},
		{"grow web 2", volume.Grown{Name: "web", WasGiB: 1, SizeGiB: 2, Reached: volume.ReachCloud},
			said{0, "web has 2 GiB now, it had 1; the filesystem grows when it is mounted\n", ""}},
		{"grow web 2", volume.Grown{Name: "web", WasGiB: 1, SizeGiB: 2, Reached: volume.ReachDevice},
			said{0, "web has 2 GiB now, it had 1, and so has its device; the filesystem grows when it is mounted\n", ""}},
		{"grow web 2", volume.Grown{Name: "web", WasGiB: 1, SizeGiB: 2, Reached: volume.ReachHidden},
			said{0, "web has 2 GiB now, it had 1; this host sees the new size once it has given the volume back and mounts it again\n", ""}},
		{"grow db 2", volume.Grown{}, said{5, "", "fuxi: db is attached to host node2\n"}},
	} {
		svc.grow, svc.grown = volume.GrowRequest{}, c.grown
		if got := fuxiSays(t, at(socket, strings.Fields(c.args)...)...); got != c.want {
			t.Errorf("%s: %+v", c.args, got)
		}
		if svc.grow.SizeGiB != 2 {
			t.Errorf("%s: sent %+v", c.args, svc.grow)
		}
	}
}

func TestVersionsThatDiffer(t *testing.T) {
	socket := daemonOf(t, &cloudless{status: volume.Status{Version: "0.9\x1b"}})
	got := fuxiSays(t, at(socket, "ls", "-q")...)
	want := `fuxi: warning: the daemon is version 0.9\x1b and this command ` + versionString() + ": after an update restart it (systemctl restart fuxi)\n"
	if got != (said{0, "", want}) {
		t.Errorf("%+v", got)
	}
}

func TestConfig(t *testing.T) {
	if got := fuxiSays(t, "config", "sample"); got != (said{0, config.Sample(), ""}) {
		t.Errorf("%+v", got)
	}
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.toml"), filepath.Join(dir, "bad.toml")
	err := errors.Join(
		os.WriteFile(good, []byte("[cloud]\ninsecure = true\ncloud = \"c\"\n[plugin]\nstate_dir = \""+dir+"\"\n"), 0o600),
		os.WriteFile(bad, []byte("[plugin]\nrefresh = \"1\"\nbogus = 1\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	got := fuxiSays(t, "config", "check", good)
	if got.code != 0 || got.out != good+": ok\n" || !strings.Contains(got.err, "fuxi: warning: insecure = true") {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{"config", "check", bad}, {"config", "check", "--config", bad}} {
		got = fuxiSays(t, args...)
		if got.code != 1 || got.out != "" || !strings.HasPrefix(got.err, bad+":2: plugin.refresh") || !strings.HasSuffix(got.err, "\nfuxi: "+bad+" has 2 problems\n") {
			t.Errorf("%+v", got)
		}
	}
	got = fuxiSays(t, "ls", "--config", bad)
	if got.code != 1 || !strings.HasPrefix(got.err, "fuxi: the configuration that tells the admin socket has problems (see fuxi config check, or give --socket): "+bad+":2:") || !strings.HasSuffix(got.err, "(and 1 more)\n") {
		t.Errorf("%+v", got)
	}
	got = fuxiSays(t, "ls", "--config", good)
	if got != (said{3, "", "fuxi: no fuxi answers on " + dir + "/admin.sock: is it running? (systemctl status fuxi) or give --socket/--config\n"}) {
		t.Errorf("%+v", got)
	}
}
