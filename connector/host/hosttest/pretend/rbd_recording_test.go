package pretend_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// recordingRBD is what a real kernel and cluster answered.
const recordingRBD = "testdata/rbd/krbd.txt"

// rbdWorld is a host with the kernel's RBD client, and a cluster with a pool that
// has the images rec (1 GiB, usual features), rec-journal (with journaling) and
// rec-plain (with layering only).
type rbdWorld struct {
	h                         *host.Host
	monitor, pool, user, fsid string
	key                       []byte

	t    *testing.T
	told []string
	ids  []string // image ids met so far
}

func (w *rbdWorld) tell(format string, args ...any) {
	w.told = append(w.told, w.normal(fmt.Sprintf(format, args...)))
}

// normal takes out what is another at each time and place.
func (w *rbdWorld) normal(text string) string {
	for _, id := range w.ids {
		text = strings.ReplaceAll(text, id, "IMAGEID")
	}
	text = strings.NewReplacer(w.fsid, "FSID", w.monitor, "MONITOR", "name="+w.user, "name=USER", "client."+w.user, "client.USER").Replace(text)
	for _, r := range []struct{ what, by string }{
		{`\d+\.\d+\.\d+\.\d+:0/\d+`, "ADDRESS"}, {`client(\.?)\d+`, "client${1}N"}, {`"client":\d+`, `"client":N`},
		{`"cookie":\d+`, `"cookie":N`}, {`auto \d+`, "auto N"}, {`(_timestamp":")[^"]*`, "${1}TIME"}, {`^(major|minor|pool_id): "\d+`, `$1: "N`},
	} {
		text = regexp.MustCompile(r.what).ReplaceAllString(text, r.by)
	}
	return text
}

// play does what is recorded, and returns what was told.
func (w *rbdWorld) play() []string {
	w.refusals()
	w.look("noshare,name="+w.user+",key=rec,mount_timeout=20,lock_timeout=10,exclusive", true)
	w.look("noshare,name="+w.user+",key=rec,ro,notrim,osd_request_timeout=30", false)
	return w.told
}

func errnoName(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func (w *rbdWorld) mapping(options, pool, image, keyName string, key []byte) error {
	err := w.h.MapRBD(hosttest.Context(w.t), host.RBDMapping{Monitors: w.monitor, Options: options, KeyName: keyName, Key: key,
		Image: host.RBDImage{Pool: pool, Name: image}})
	w.tell("map %s %s/%s: %s", options, pool, image, errnoName(err))
	return err
}

// refusals are mappings that fail, and one that lacks what it does not need.
func (w *rbdWorld) refusals() {
	opening := "noshare,name=" + w.user
	other := slices.Clone(w.key)
	other[len(other)-1] ^= 0xff
	_ = w.mapping(opening+",key=rec,nonsense", w.pool, "rec", "rec", w.key)
	_ = w.mapping(opening+",key=rec,mount_timeout=x", w.pool, "rec", "rec", w.key)
	_ = w.mapping(opening, w.pool, "rec", "", nil)
	_ = w.mapping(opening+",key=none", w.pool, "rec", "", nil)
	_ = w.mapping(opening+",key=rec", w.pool, "rec", "rec", other)
	_ = w.mapping("noshare,name=nobody,key=rec", w.pool, "rec", "rec", w.key)
	_ = w.mapping(opening+",key=rec", "nopool", "rec", "rec", w.key)
	_ = w.mapping(opening+",key=rec", w.pool, "norec", "rec", w.key)
	_ = w.mapping(opening+",key=rec,_pool_ns=nons", w.pool, "rec", "rec", w.key)
	_ = w.mapping(opening+",key=rec", w.pool, "rec-journal", "rec", w.key)
	_ = w.mapping(opening+",key=rec,exclusive", w.pool, "rec-plain", "rec", w.key)
	if w.mapping(opening+",key=rec", w.pool, "rec-plain", "rec", w.key) == nil {
		w.unmap("rec-plain")
	}
}

// look maps the image and tells all that can be seen of it.
func (w *rbdWorld) look(options string, second bool) {
	if w.mapping(options, w.pool, "rec", "rec", w.key) != nil {
		return
	}
	d := w.device("rec")
	w.ids = append(w.ids, d.ImageID)
	dir := fmt.Sprintf("/sys/bus/rbd/devices/%d", d.Number)
	entries, err := os.ReadDir(w.h.Path(dir))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(w.h.Path(dir, e.Name()))
		if e.Type().IsRegular() && e.Name() != "uevent" && err == nil {
			w.tell("%s: %q", e.Name(), content)
		} else if e.Type().IsRegular() && e.Name() != "uevent" {
			w.tell("%s: cannot be read", e.Name())
		}
	}
	for _, file := range []string{"ro", "size", "queue/discard_max_bytes"} {
		content, err := os.ReadFile(w.h.Path("/sys/block", d.Name, file))
		w.tell("block %s: %q %v", file, content, err)
	}
	w.tell("refresh: %s", errnoName(w.h.RefreshRBD(hosttest.Context(w.t), d)))
	for _, words := range [][]string{{"status", "rec"}, {"lock", "ls", "rec"}, {"info", "rec"}, {"info", "norec"}, {"status", "norec"}} {
		w.command(words...)
	}
	if second {
		_ = w.mapping(options, w.pool, "rec", "rec", w.key)
	}
	fd, err := unix.Open(w.h.Path(d.Device()), unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.tell("unmap while open: %s", errnoName(w.h.UnmapRBD(hosttest.Context(w.t), d)))
	unix.Close(fd)
	w.unmap("rec")
	w.tell("unmap again: %s", errnoName(w.remove(d.Number)))
}

// remove writes to the kernel without asking who the device is.
func (w *rbdWorld) remove(number int) error {
	fd, err := unix.Open(w.h.Path("/sys/bus/rbd/remove_single_major"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = fmt.Fprint(fdWriter(fd), number)
	return err
}

type fdWriter int

func (fd fdWriter) Write(p []byte) (int, error) { return unix.Write(int(fd), p) }

func (w *rbdWorld) unmap(image string) {
	w.t.Helper()
	w.tell("unmap %s: %s", image, errnoName(w.h.UnmapRBD(hosttest.Context(w.t), w.device(image))))
}

func (w *rbdWorld) device(image string) host.RBDDevice {
	w.t.Helper()
	devices, err := w.h.RBDDevices(host.RBDImage{Pool: w.pool, Name: image})
	if err != nil || len(devices) != 1 {
		w.t.Fatalf("%s: %v, %v", image, devices, err)
	}
	return devices[0]
}

func (w *rbdWorld) command(words ...string) {
	w.t.Helper()
	words[len(words)-1] = w.pool + "/" + words[len(words)-1]
	args := append([]string{"--conf", "/etc/ceph/ceph.conf", "--cluster", "ceph", "--id", w.user, "-m", w.monitor,
		"--keyring", "/etc/ceph/ceph.client." + w.user + ".keyring"}, append(words, "--format", "json")...)
	res, err := w.h.Run(hosttest.Context(w.t), host.Command{Name: "rbd", Args: args})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tell("rbd %s: %d %s%s", strings.Join(words, " "), res.ExitCode, strings.TrimSpace(string(res.Stdout)), strings.TrimSpace(string(res.Stderr)))
}

// compareRBD compares with the recording, or writes it anew.
func compareRBD(t *testing.T, told []string) {
	t.Helper()
	if os.Getenv("FUXI_PRETEND_RECORD") != "" {
		if err := os.MkdirAll(filepath.Dir(recordingRBD), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordingRBD, []byte(strings.Join(told, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	content, err := os.ReadFile(recordingRBD)
	if err != nil {
		t.Fatal(err)
	}
	real := strings.Split(strings.TrimSpace(string(content)), "\n")
	for i := range max(len(real), len(told)) {
		switch {
		case i >= len(real):
			t.Errorf("more than recorded: %s", told[i])
		case i >= len(told):
			t.Errorf("missing: %s", real[i])
		case real[i] != told[i]:
			t.Errorf("line %d: now\n  %s\nrecorded\n  %s", i+1, told[i], real[i])
		}
	}
}
