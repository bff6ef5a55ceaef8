package nfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openstack/fuxi/connector"
	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
	"github.com/openstack/fuxi/connector/nfs"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m)) }

// machine is a root with a mount table and a list of servers' filesystems, as
// Linux 6.12 writes them; mount.nfs is the test's own.
type machine struct {
	root, base string
	mu         sync.Mutex
	commands   []host.Command
	mountNFS   func(options string) host.Result
}

func newMachine(t *testing.T) *machine {
	m := &machine{root: t.TempDir()}
	m.base = filepath.Join(m.root, "shares")
	m.mounted(t, "", "", "")
	return m
}

// mounted lets the table show one share, or none.
func (m *machine) mounted(t *testing.T, source, options, fsid string) {
	t.Helper()
	table, volumes := "24 1 254:0 / / rw - ext4 /dev/root rw\n", "NV SERVER   PORT DEV          FSID                              FSC\n"
	if source != "" {
		table += "40 24 0:44 / " + filepath.Join(m.base, "id") + " rw,nosuid,nodev - nfs4 " + source + " rw," + options + "\n"
		volumes += "v4 0a000001  801 0:44         " + fsid + "                no \n"
	}
	for name, content := range map[string]string{"proc/self/mountinfo": table, "proc/fs/nfsfs/volumes": volumes} {
		path := filepath.Join(m.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// Run implements host.Runner.
func (m *machine) Run(_ context.Context, c host.Command) (host.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands = append(m.commands, c)
	return m.mountNFS(c.Args[len(c.Args)-1]), nil
}

func (m *machine) connector() *nfs.Connector {
	return nfs.New(&host.Host{Root: m.root, Runner: m}, nfs.Options{Base: m.base})
}

func given(export string) connector.Connection {
	return connector.Connection{Driver: nfs.Driver, VolumeID: "id", Access: connector.ReadWrite, Data: map[string]any{"exports": []any{export}}}
}

const fsid = "50aaaac1c53945db:9166ab2fa5359ba3"

// F8: what is mounted is compared with the export that was chosen.
func TestProof(t *testing.T) {
	for name, c := range map[string]struct {
		export, source, options, fsid string
		proven                        map[string]string
		want                          error
	}{
		"right":                {"10.0.0.1:/share/", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.1", fsid, nil, nil},
		"IPv6":                 {"[FD00::1]:/share", "[FD00::1]:/share", "vers=4.2,addr=fd00::1", fsid, nil, nil},
		"name":                 {"nas.example.org:/share", "nas.example.org:/share", "vers=4.2,addr=10.0.0.1", fsid, nil, nil},
		"proven before":        {"10.0.0.1:/share", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.1", fsid, map[string]string{"export": "10.0.0.1:/share", "version": "4.1", "fsid": fsid}, nil},
		"proven by version 3":  {"10.0.0.1:/share", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.1", fsid, map[string]string{"export": "10.0.0.1:/share", "version": "3", "fsid": "1:0"}, nil},
		"version 3 has no ids": {"10.0.0.1:/share", "10.0.0.1:/share", "vers=3,addr=10.0.0.1", "0:0", nil, nil},
		"server's root":        {"10.0.0.1:/share", "10.0.0.1:/", "vers=4.2,addr=10.0.0.1", "0:0", nil, connector.ErrNotConnected},
		"pseudo root":          {"10.0.0.1:/share", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.1", "0:0", nil, connector.ErrUnsafe},
		"another server":       {"10.0.0.1:/share", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.2", fsid, nil, connector.ErrUnsafe},
		"a directory of it":    {"10.0.0.1:/share", "10.0.0.1:/share/data", "vers=4.2,addr=10.0.0.1", fsid, nil, connector.ErrUnsafe},
		"another export":       {"10.0.0.1:/share", "10.0.0.1:/share2", "vers=4.2,addr=10.0.0.1", fsid, nil, connector.ErrNotConnected},
		"another filesystem":   {"10.0.0.1:/share", "10.0.0.1:/share", "vers=4.2,addr=10.0.0.1", fsid, map[string]string{"export": "10.0.0.1:/share", "version": "4.2", "fsid": "1:2"}, connector.ErrUnsafe},
		"root asked for":       {"10.0.0.1:/", "10.0.0.1:/", "vers=4.2,addr=10.0.0.1", fsid, nil, connector.ErrUnsafe},
		"up to the root":       {"10.0.0.1:/a/..", "10.0.0.1:/", "vers=4.2,addr=10.0.0.1", fsid, nil, connector.ErrUnsafe},
		"no path":              {"10.0.0.1", "", "", "", nil, connector.ErrUnsafe},
		"two servers":          {"10.0.0.1,10.0.0.2:/share", "", "", "", nil, connector.ErrUnsafe},
		"an option":            {"-o:/share", "", "", "", nil, connector.ErrUnsafe},
		"bare IPv6":            {"fd00::1:/share", "", "", "", nil, connector.ErrUnsafe},
		"nothing":              {"10.0.0.1:/share", "", "", "", nil, connector.ErrNotConnected},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.mounted(t, c.source, c.options, c.fsid)
			conn := given(c.export)
			conn.Proven = c.proven
			src, err := m.connector().Find(context.Background(), conn)
			if !errors.Is(err, c.want) || c.want == nil && (src.Export != c.source || src.Proof["export"] != c.source || src.Directory != filepath.Join(m.base, "id")) {
				t.Errorf("%+v, %v; want %v", src, err, c.want)
			}
		})
	}
}

// nfsServer answers the question whether it is there.
func nfsServer(t *testing.T) (port string) {
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
			var call [44]byte
			_, _ = io.ReadFull(conn, call[:])
			_, _ = conn.Write(append(append([]byte{0x80, 0, 0, 24}, call[4:8]...), make([]byte, 16)...)[:8])
			_, _ = conn.Write(append([]byte{0, 0, 0, 1}, make([]byte, 16)...))
			conn.Close()
		}
	}()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// What mount.nfs of nfs-utils 2.8.3 says, word for word.
const (
	saysVersion  = "mount.nfs: requested NFS version or transport protocol is not supported for /x"
	saysProtocol = "mount.nfs: Protocol not supported"
	saysDenied   = "mount.nfs: access denied by server while mounting 10.0.0.1:/share"
	saysMissing  = "mount.nfs4: mounting 10.0.0.1:/share failed, reason given by server: No such file or directory"
	saysOption   = "mount.nfs4: an incorrect mount option was specified for /x"
)

// The newest version that is spoken is taken; any other refusal ends the search.
func TestVersionsAreTriedInOrder(t *testing.T) {
	port := nfsServer(t)
	for name, c := range map[string]struct {
		says  map[string]string // by version; "" mounts it
		user  []string
		tried []string
		want  string
	}{
		"newest":         {map[string]string{"4.2": ""}, nil, []string{"4.2"}, ""},
		"older":          {map[string]string{"4.2": saysProtocol, "4.1": saysVersion, "4.0": ""}, nil, []string{"4.2", "4.1", "4.0"}, ""},
		"none":           {map[string]string{"4.2": saysProtocol, "4.1": saysProtocol, "4.0": saysProtocol, "3": saysVersion}, nil, []string{"4.2", "4.1", "4.0", "3"}, "tried 4.2, 4.1, 4.0, 3"},
		"option":         {map[string]string{"4.2": saysOption}, nil, []string{"4.2"}, "mount options"},
		"user's version": {map[string]string{"4.1": ""}, []string{"noatime,vers=4.1"}, []string{"4.1"}, ""},
		"user's refused": {map[string]string{"4.1": saysVersion}, []string{"nfsvers=4.1"}, []string{"4.1"}, "does not speak"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			var tried []string
			m.mountNFS = func(options string) host.Result {
				version := ""
				for word := range strings.SplitSeq(options, ",") {
					if v, found := strings.CutPrefix(strings.TrimPrefix(word, "nfs"), "vers="); found {
						version = v
					}
				}
				tried = append(tried, version)
				if says := c.says[version]; says != "" {
					return host.Result{Stderr: []byte(says), ExitCode: 32}
				}
				m.mounted(t, "127.0.0.1:/share", "vers="+version+",addr=127.0.0.1", fsid)
				return host.Result{}
			}
			conn := given("127.0.0.1:/share")
			conn.MountOptions = append(c.user, "port="+port)
			src, err := m.connector().Connect(hosttest.Context(t), conn)
			if !slices.Equal(tried, c.tried) {
				t.Errorf("tried %v, want %v", tried, c.tried)
			}
			if c.want == "" && (err != nil || src.Proof["version"] != tried[len(tried)-1]) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%+v, %v; want %q", src, err, c.want)
			}
			words := strings.Split(m.commands[0].Args[4], ",")
			for _, word := range []string{"hard", "nosuid", "nodev", "retry=0", "rw"} {
				if !slices.Contains(words, word) {
					t.Errorf("mount.nfs is told %v and not %s", words, word)
				}
			}
		})
	}
}

// A rule that was just made reaches the server a little later: asked again until
// it lets us in. A version 4 server hides the export until then.
func TestLaggingServer(t *testing.T) {
	for _, says := range []string{saysDenied, saysMissing} {
		m, port, times := newMachine(t), nfsServer(t), 0
		m.mountNFS = func(string) host.Result {
			if times++; times < 5 {
				return host.Result{Stderr: []byte(says), ExitCode: 32}
			}
			m.mounted(t, "127.0.0.1:/share", "vers=4.2,addr=127.0.0.1", fsid)
			return host.Result{}
		}
		conn := given("127.0.0.1:/share")
		conn.MountOptions = []string{"port=" + port}
		if _, err := m.connector().Connect(hosttest.Context(t), conn); err != nil || times != 5 {
			t.Errorf("after %d mounts: %v", times, err)
		}
	}
}
