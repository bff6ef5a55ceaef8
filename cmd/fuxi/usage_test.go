package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

func TestBadUsage(t *testing.T) {
	for args, want := range map[string]string{
		"lss":                    `unknown command "fuxi lss"; did you mean "ls"?`,
		"frobnicate":             `unknown command "fuxi frobnicate"; fuxi --help lists them`,
		"config chek":            `unknown command "fuxi config chek"; did you mean "check"?`,
		"completion cmd.exe":     `unknown command "fuxi completion cmd.exe"; fuxi completion --help lists them`,
		"help frobnicate":        `no help about "frobnicate": fuxi help lists the commands`,
		"ls --jsn":               `ls: unknown flag: --jsn; did you mean --json?`,
		"status --frobnicate":    `status: unknown flag: --frobnicate (see fuxi status --help)`,
		"ls -x":                  `ls: unknown shorthand flag: 'x' in -x (see fuxi ls --help)`,
		"ls --socket":            `ls: flag needs an argument: --socket (see fuxi ls --help)`,
		"ls --json -q":           `ls prints JSON or names: --json and --quiet exclude each other`,
		"create":                 `create needs the name of a volume: fuxi create NAME [-o OPTION=VALUE]...`,
		"create a b":             `create takes one volume at a time, and ["b"] is too much: fuxi create NAME [-o OPTION=VALUE]...`,
		"create a -o size":       `option "size" has no value: give it as -o size=VALUE (-o help lists them)`,
		"create a -o =3":         `option "=3" has no name: give it as -o OPTION=VALUE (-o help lists them)`,
		"create a -o b=1 -o b=2": `option b is given twice`,
		"inspect":                `inspect needs the name of a volume: fuxi inspect NAME...`,
		"rm":                     `rm needs the name of a volume: fuxi rm NAME...`,
		"format":                 `format needs the name of a volume: fuxi format NAME --erase --id VOLUME_ID`,
		"grow":                   `grow needs the name of a volume and its new size: fuxi grow NAME SIZE`,
		"grow db":                `grow needs the new size of db, as a total: fuxi grow NAME SIZE`,
		"grow db 3 4":            `grow takes one volume and one size, and ["4"] is too much: fuxi grow NAME SIZE`,
		"grow db 10GB":           `size "10GB": GB means powers of 1000 to some and of 1024 to others; allowed: whole GiB as 10, 10G or 10GiB, or TiB as 1T or 1TiB`,
		"grow db +3":             `size "+3": not a size; allowed: whole GiB as 10, 10G or 10GiB, or TiB as 1T or 1TiB`,
		"grow 3 db":              `size "db": not a size; allowed: whole GiB as 10, 10G or 10GiB, or TiB as 1T or 1TiB`,
		"grow db 0":              `size "0": the size must be from 1 to 65536 GiB`,
		"status x":               `status takes no arguments, and ["x"] is too much`,
		"version x":              `version takes no arguments, and ["x"] is too much`,
		"config check a b":       `check takes one file, and ["b"] is too much`,
		"ls --config /nowhere":   `there is no configuration file /nowhere to find the admin socket in: give another --config, or --socket`,
	} {
		if got := fuxiSays(t, strings.Fields(args)...); got != (said{exitUsage, "", "fuxi: " + want + "\n"}) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	for _, args := range []string{"serve x", "completion bash x"} {
		if got := fuxiSays(t, strings.Fields(args)...); got.code != exitUsage || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"", "--help", "help", "config", "help ls", "ls -h", "help config check", "help exit-codes", "completion", "completion bash"} {
		if got := fuxiSays(t, strings.Fields(args)...); got.code != 0 || got.err != "" || got.out == "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
	for _, cmd := range newRootCommand(io.Discard, io.Discard).Commands() {
		if cmd.Short == "" {
			t.Errorf("%s has no description", cmd.Name())
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailure},
		{usage("x"), exitUsage},
		{fmt.Errorf("x: %w", admin.ErrNoDaemon), exitNoDaemon},
		{fmt.Errorf("x: %w", fs.ErrPermission), exitPermission},
		{volume.Errorf(volume.ErrNotFound, "x"), exitNotFound},
		{volume.Errorf(volume.ErrInUse, "x"), exitInUse},
		{volume.Errorf(volume.ErrConflict, "x"), exitInUse},
		{volume.Errorf(volume.ErrUnsafe, "x"), exitUnsafe},
		{volume.Errorf(volume.ErrUnavailable, "x"), exitUnavailable},
		{volume.Errorf(volume.ErrInvalid, "x"), exitUsage},
		{several{volume.Errorf(volume.ErrInUse, "x"), volume.Errorf(volume.ErrConflict, "y")}, exitInUse},
		{several{volume.Errorf(volume.ErrInUse, "x"), volume.Errorf(volume.ErrNotFound, "y")}, exitFailure},
		{several{errors.New("x"), volume.Errorf(volume.ErrNotFound, "y"), volume.Errorf(volume.ErrNotFound, "y")}, exitFailure},
	} {
		var out bytes.Buffer
		if code := report(&out, c.err); code != c.code || (code == 0) != (out.Len() == 0) {
			t.Errorf("%v: %d %q, want %d", c.err, code, &out, c.code)
		}
	}
	var out bytes.Buffer
	report(&out, errors.New("a\x1b]0;b\nc"))
	if out.String() != "fuxi: a\\x1b]0;b\nc\n" {
		t.Errorf("%q", &out)
	}
}

func TestCompletion(t *testing.T) {
	svc := &cloudless{infos: someVolumes()}
	socket := daemonOf(t, svc)
	for _, c := range []struct{ args, want string }{
		{"__complete inspect --socket SOCKET ", "db\nweb-site\nx\n:4\n"},
		{"__complete rm --socket SOCKET x w", "web-site\n:4\n"},
		{"__complete format --socket SOCKET x ", ":4\n"},
		{"__complete grow --socket SOCKET we", "web-site\n:4\n"},
		{"__complete grow --socket SOCKET x ", ":4\n"},
		{"__complete rm --socket /nowhere ", ":4\n"},
		{"__complete rm --config /nowhere ", ":4\n"},
		{"__complete create --socket SOCKET ", ":4\n"},
		{"__complete format --fstype x", "ext4\nxfs\nbtrfs\n:4\n"},
	} {
		args := strings.Split(strings.ReplaceAll(c.args, "SOCKET", socket), " ")
		if got := fuxiSays(t, args...); got.code != 0 || got.out != c.want {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
	svc.failures = map[string]error{"*": errors.New("x")}
	if got := fuxiSays(t, "__complete", "rm", "--socket", socket, ""); got.out != ":4\n" {
		t.Errorf("%+v", got)
	}
	got := fuxiSays(t, "__complete", "create", "-o", "")
	for _, want := range []string{"size=\n", "fstype=\n", "volume_id=\n", "metadata.\n", "\nhelp\n", "\n:6\n"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in %q", want, got.out)
		}
	}
	if strings.ContainsAny(got.out, " A") {
		t.Errorf("more than names: %q", got.out)
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}}
	info.Main.Version = "v1.2.3"
	tail := fmt.Sprintf(", %s, %s/%s)", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for want, b := range map[string]build{
		"fuxi 9 (commit abc, modified" + tail:      buildOf("9", info),
		"fuxi v1.2.3 (commit abc, modified" + tail: buildOf("", info),
		"fuxi devel (commit unknown" + tail:        buildOf("", nil),
		"fuxi devel (commit unknown" + tail + "":   buildOf("", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}),
	} {
		if b.String() != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
	if got := fuxiSays(t, "version", "--json"); got.code != 0 || !strings.Contains(got.out, `"version": "`+versionString()+`"`) {
		t.Errorf("%+v", got)
	}
}
