package admin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
	"github.com/openstack/fuxi/volume/admin"
)

var (
	_ admin.Service = (*admin.Client)(nil)
	_ admin.Service = (*volume.Service)(nil)
)

func TestWhatTheServiceSaysArrives(t *testing.T) {
	info := volume.Info{
		Listed: volume.Listed{Name: "web", Mountpoint: "/mnt/web", CreatedAt: time.Unix(1700000000, 0).UTC()},
		Key:    volume.Key{Cloud: "c", Provider: "cinder", ID: "id-1"}, SizeGiB: 3, Type: "存储", State: "in-use",
		FSType: "ext4", Formatted: true, Users: map[string]int{"a": 2}, Age: 3 * time.Second, Notes: []string{"<&>"}, OnRemove: "delete",
	}
	svc := &script{info: info, infos: []volume.Info{info}, status: volume.Status{
		Version: "1.2", Host: "h", Clouds: []volume.CloudStatus{{Cloud: "c", LastError: "x"}}, Volumes: []volume.Info{info},
		Unfinished: []volume.Unfinished{{Name: "web", Age: time.Minute}}, SetAside: []string{"r"}, Events: []volume.Event{{Text: "e"}},
	}}
	socket, _, _ := serve(t, svc)
	c := dial(t, socket)
	if c.Version() != "1.2" {
		t.Errorf("version %q", c.Version())
	}
	got, err := c.Get(t.Context(), "a b&c=d/../%")
	want := info
	want.Name = "a b&c=d/../%"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get: %+v, %v", got, err)
	}
	if infos, err := c.Infos(t.Context()); err != nil || !reflect.DeepEqual(infos, svc.infos) {
		t.Errorf("Infos: %+v, %v", infos, err)
	}
	if status, err := c.Status(t.Context()); err != nil || !reflect.DeepEqual(status, svc.status) {
		t.Errorf("Status: %+v, %v", status, err)
	}
}

func TestOrdersArrive(t *testing.T) {
	svc := &script{}
	socket, _, _ := serve(t, svc)
	c := dial(t, socket)
	raw := map[string]string{"size": "1", "metadata.a": "ü,="}
	req := volume.FormatRequest{Name: "v", ID: "i", Erase: true, FSType: "xfs"}
	if err := errors.Join(c.Create(t.Context(), "v", raw), c.Remove(t.Context(), "w"), c.Format(t.Context(), req)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(svc.created["v"], raw) || !reflect.DeepEqual(svc.removed, []string{"w"}) || !reflect.DeepEqual(svc.formats, []volume.FormatRequest{req}) {
		t.Errorf("%v %v %v", svc.created, svc.removed, svc.formats)
	}
	grow := volume.GrowRequest{Name: "v", SizeGiB: 7}
	want := volume.Grown{Name: "v", ID: "id", WasGiB: 1, SizeGiB: 7, Reached: volume.ReachFilesystem}
	if grown, err := c.Grow(t.Context(), grow); err != nil || grown != want || !reflect.DeepEqual(svc.grows, []volume.GrowRequest{grow}) {
		t.Errorf("Grow: %+v, %v; arrived %v", grown, err, svc.grows)
	}
	if infos, err := c.Infos(t.Context()); err != nil || infos == nil {
		t.Errorf("no volumes are an empty list, got %v, %v", infos, err)
	}
}

func TestKindsTravel(t *testing.T) {
	for _, kind := range []error{volume.ErrNotFound, volume.ErrConflict, volume.ErrInUse, volume.ErrInvalid, volume.ErrUnsafe, volume.ErrUnavailable} {
		svc := &script{err: fmt.Errorf("outer: %w", &volume.Error{Kind: kind, Text: "the text\nof two lines", Ambiguous: true})}
		socket, _, stop := serve(t, svc)
		c := dial(t, socket)
		_, getErr := c.Get(t.Context(), "v")
		for _, err := range []error{getErr, c.Create(t.Context(), "v", nil)} {
			if volume.KindOf(err) != kind || err.Error() != "outer: the text\nof two lines" || !volume.IsAmbiguous(err) {
				t.Errorf("%v: got %v (%v)", kind, err, volume.KindOf(err))
			}
		}
		stop()
	}
	socket, _, _ := serve(t, &script{err: errors.New("a defect")})
	if err := dial(t, socket).Remove(t.Context(), "v"); err == nil || err.Error() != "a defect" || volume.KindOf(err) != nil {
		t.Errorf("got %v", err)
	}
}

func TestSocketIsRootsAlone(t *testing.T) {
	socket, _, _ := serve(t, &script{})
	info, err := os.Stat(socket)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOrdersAreLoggedWithTheirOrderer(t *testing.T) {
	svc := &script{}
	socket, log, stop := serve(t, svc)
	c := dial(t, socket)
	if err := c.Create(t.Context(), "v", map[string]string{"metadata.password": "hunter2"}); err != nil {
		t.Fatal(err)
	}
	svc.err = volume.Errorf(volume.ErrUnsafe, "no")
	if err := c.Format(t.Context(), volume.FormatRequest{Name: "v", ID: "i-1", Erase: true}); !errors.Is(err, volume.ErrUnsafe) {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); err == nil {
		t.Fatal("no error")
	}
	stop()
	text := log.String()
	who := fmt.Sprintf("uid=%d gid=%d pid=%d", os.Getuid(), os.Getgid(), os.Getpid())
	for _, want := range []string{
		`msg="an operator ordered" operation=create volume=v ` + who,
		`msg="an operator's order is done" operation=create volume=v ` + who,
		`msg="an operator ordered" operation=format volume=v id=i-1 erase=true fstype="" ` + who,
		`msg="an operator's order failed" operation=format volume=v id=i-1 erase=true fstype="" ` + who,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") || strings.Count(text, "\n") != 4 {
		t.Errorf("the log has too much:\n%s", text)
	}
}

func TestLeavingEndsTheWaiting(t *testing.T) {
	svc := &script{waiting: make(chan struct{})}
	socket, _, stop := serve(t, svc)
	c := dial(t, socket)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-svc.waiting
		cancel()
	}()
	err := c.Create(ctx, "v", nil)
	if !errors.Is(err, volume.ErrUnavailable) || !strings.HasPrefix(err.Error(), "interrupted:") {
		t.Errorf("got %v", err)
	}
	stop()
	if svc.mu.Lock(); !errors.Is(svc.left, context.Canceled) {
		t.Errorf("the service was not told: %v", svc.left)
	}
	svc.mu.Unlock()
}

func TestStoppingCutsOffLongCalls(t *testing.T) {
	svc := &script{waiting: make(chan struct{})}
	socket, _, stop := serve(t, svc)
	c := dial(t, socket)
	failed := make(chan error, 1)
	go func() { failed <- c.Create(context.Background(), "v", nil) }()
	<-svc.waiting
	stop()
	if err := <-failed; !errors.Is(err, admin.ErrNoDaemon) || !strings.HasPrefix(err.Error(), "fuxi broke off") {
		t.Errorf("got %v", err)
	}
}

func TestAStartingDaemonAnswersDial(t *testing.T) {
	socket, _, _ := serve(t, &script{err: volume.Errorf(volume.ErrUnavailable, "fuxi is still reading")})
	if v := dial(t, socket).Version(); v != "" {
		t.Errorf("version %q", v)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	stale := dir + "/stale.sock"
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: stale}), syscall.Close(fd)); err != nil {
		t.Fatal(err)
	}
	none := "no fuxi answers on %s: is it running? (systemctl status fuxi) or give --socket/--config"
	for socket, want := range map[string]string{
		dir + "/none":       none,
		stale:               none,
		dir:                 none,
		"/dev/null/x":       none,
		dir + longName(150): "%s cannot be a socket: its path is too long",
	} {
		_, err := admin.Dial(t.Context(), socket)
		if !errors.Is(err, admin.ErrNoDaemon) || err.Error() != fmt.Sprintf(want, socket) {
			t.Errorf("%s: %v", socket, err)
		}
	}
}

func longName(n int) string { return "/" + strings.Repeat("x", n) }
