package host_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/connector/host"
)

// As a kernel shows them: NFS names the directory in the source and has / as its
// root always; others the other way round.
const shareTable = `24 1 254:0 / / rw shared:1 - ext4 /dev/root rw
30 24 0:30 / /base/a rw shared:11 - nfs4 10.0.0.1:/export/a rw,vers=4.2,addr=10.0.0.1
31 24 0:30 / /target/a rw shared:11 - nfs4 10.0.0.1:/export/a/data rw,vers=4.2
32 24 0:30 / /base/ab rw shared:12 - nfs4 10.0.0.1:/export/ab rw,vers=4.2
33 24 0:31 / /base/c rw shared:13 - ceph 10.0.0.1:6789:/volumes/c rw,name=fuxi
34 24 0:31 /data /target/c rw shared:13 - ceph 10.0.0.1:6789:/volumes/c rw,name=fuxi
35 24 254:0 /srv/d /base/d rw shared:14 - ext4 /dev/root rw
36 24 254:0 /srv/d/data /target/d rw shared:14 - ext4 /dev/root rw
37 24 254:0 /srv/d /other/d rw shared:15 - ext4 /dev/root rw
`

func mountsOf(t *testing.T, table string) map[string]host.Mount {
	t.Helper()
	mounts, err := host.ParseMountInfo([]byte(table))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]host.Mount{}
	for _, m := range mounts {
		by[m.Point] = m
	}
	return by
}

func TestWithin(t *testing.T) {
	by := mountsOf(t, shareTable)
	for _, c := range []struct{ part, whole, want string }{
		{"/base/a", "/base/a", "/"}, {"/target/a", "/base/a", "/data"}, {"/base/ab", "/base/a", ""}, {"/base/a", "/target/a", ""},
		{"/target/c", "/base/c", "/data"}, {"/base/c", "/base/a", ""}, {"/target/d", "/base/d", "/data"}, {"/", "/base/d", ""},
		{"/base/d", "/", "/srv/d"}, {"/other/d", "/base/d", "/"},
	} {
		dir, is := by[c.part].Within(by[c.whole])
		if dir != c.want || is != (c.want != "") || by[c.part].PartOf(by[c.whole]) != is {
			t.Errorf("%s within %s: %q, %t; want %q", c.part, c.whole, dir, is, c.want)
		}
	}
	if !by["/target/d"].IsCloneOf(by["/base/d"]) || by["/other/d"].IsCloneOf(by["/base/d"]) {
		t.Error("clones are told by their peer group")
	}
	if by["/base/a"].Option("vers") != "4.2" || by["/base/a"].Option("ver") != "" || by["/base/d"].Export() != "" || by["/base/c"].Export() != "10.0.0.1:6789:/volumes/c" {
		t.Error("options or exports are wrong")
	}
}

// A copy of a mount goes with it where its parent follows ours.
func TestFollowers(t *testing.T) {
	ours, _ := host.ParseMountInfo([]byte(shareTable))
	follows := host.Followers(ours[1], ours)
	for propagation, want := range map[string]bool{"master:1": true, "shared:1": true, "shared:9 master:1": true, "master:11": false, "shared:9": false} {
		theirs, err := host.ParseMountInfo([]byte("90 1 254:0 / / rw " + propagation + " - ext4 /dev/root rw\n" +
			"91 90 0:30 / /base/a rw - nfs4 10.0.0.1:/export/a rw\n92 90 0:30 / /elsewhere rw - nfs4 10.0.0.1:/export/a rw\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := follows(theirs[1], theirs); got != want {
			t.Errorf("below a parent that is %s: %t, want %t", propagation, got, want)
		}
		if follows(theirs[2], theirs) {
			t.Error("a copy at another place follows")
		}
	}
}

// server answers each connection by act.
func server(t *testing.T, act func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); act(conn) }()
		}
	}()
	return l.Addr().String()
}

// asked reads the call and checks it against what RFC 5531 says of one.
func asked(conn net.Conn) bool {
	var call [44]byte
	_, err := io.ReadFull(conn, call[:])
	want := "\x80\x00\x00\x28fuxi\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x04\x00\x00\x00\x00"
	return err == nil && strings.HasPrefix(string(call[:]), want)
}

func TestNFSAnswers(t *testing.T) {
	const reply = "\x80\x00\x00\x18fuxi\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, c := range map[string]struct {
		act  func(net.Conn)
		says string // "" is success
	}{
		"server": {func(conn net.Conn) {
			if asked(conn) {
				_, _ = conn.Write([]byte(reply))
			}
		}, ""},
		"hangs":       {func(conn net.Conn) { time.Sleep(2 * time.Second) }, "does not answer as an NFS server"},
		"hangs up":    {func(net.Conn) {}, "does not answer as an NFS server"},
		"other":       {func(conn net.Conn) { _, _ = conn.Write([]byte("220 mail.example.org ESMTP")) }, "this is no reply"},
		"half a word": {func(conn net.Conn) { _, _ = conn.Write([]byte(reply[:7])) }, "does not answer as an NFS server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			begin := time.Now()
			err := host.New().NFSAnswers(ctx, server(t, c.act))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := host.New().NFSAnswers(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("under an ended context: %v", err)
	}
	if err := host.New().Reachable(context.Background(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a port that nobody serves: %v", err)
	}
}
