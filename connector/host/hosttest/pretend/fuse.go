package pretend

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// The kernel's side of FUSE, protocol 7.31 (include/uapi/linux/fuse.h): the few
// operations that reading and writing small files needs.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opReadlink    = 5
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opRelease     = 18
	opFsync       = 20
	opFlush       = 25
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42

	headerIn  = 40
	headerOut = 16
	directIO  = 1 // FOPEN_DIRECT_IO: sizes are not known before reading
	maxWrite  = 64 << 10
)

// request is one question of the kernel.
type request struct {
	op     uint32
	unique uint64
	node   uint64
	body   []byte
}

// server answers the kernel for one mount of a tree.
type server struct {
	tree *tree
	fd   int
	done chan struct{}

	mu    sync.Mutex
	files map[uint64][]byte // what each open file had when it was opened
	next  uint64
}

// serve mounts the tree at a directory and answers until it is unmounted.
func serve(tree *tree, dir string) (*server, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount("pretend", dir, "fuse.pretend", 0, options); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount -t fuse %s: %w", dir, err)
	}
	s := &server{tree: tree, fd: fd, done: make(chan struct{}), files: map[uint64][]byte{}}
	go s.loop()
	return s, s.refusePoll(dir)
}

// refusePoll lets the kernel ask once whether files can be polled and want to be
// told of each close, and learn that neither is so. Go's runtime polls every
// file it opens, and a forked child closes them all, by calls that keep a
// processor: were such a call to wait for this server, both could for ever.
func (s *server) refusePoll(dir string) error {
	fd, err := unix.Open(dir+"/poll", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err
}

// close ends the answering; questions under way fail with ECONNABORTED. By
// force, which ends the connection as well: another mount namespace may have a
// copy of the mount, and without force the kernel would go on for it.
func (s *server) close(dir string) error {
	err := unix.Unmount(dir, unix.MNT_FORCE|unix.UMOUNT_NOFOLLOW)
	if err != nil {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		err = fmt.Errorf("umount %s: %w", dir, err)
	}
	<-s.done
	unix.Close(s.fd)
	return err
}

// loop reads questions. Each is answered beside the others: an answer may hang,
// as a kernel's does.
func (s *server) loop() {
	defer close(s.done)
	buf := make([]byte, maxWrite+4096)
	for {
		n, err := unix.Read(s.fd, buf)
		if err == unix.EINTR || err == unix.ENOENT || err == unix.EAGAIN {
			continue
		}
		if err != nil || n < headerIn {
			return // ENODEV: unmounted
		}
		q := request{
			op: binary.NativeEndian.Uint32(buf[4:]), unique: binary.NativeEndian.Uint64(buf[8:]),
			node: binary.NativeEndian.Uint64(buf[16:]), body: append([]byte{}, buf[headerIn:n]...),
		}
		go s.handle(q)
	}
}

func (s *server) handle(q request) {
	if q.op == opForget || q.op == opBatchForget || q.op == opInterrupt {
		return // no answer is expected
	}
	body, errno := s.answer(q)
	out := make([]byte, headerOut, headerOut+len(body))
	binary.NativeEndian.PutUint32(out[0:], uint32(headerOut+len(body)))
	binary.NativeEndian.PutUint32(out[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(out[8:], q.unique)
	_, _ = unix.Write(s.fd, append(out, body...))
}

// answer returns the body of a success, or an errno and no body.
func (s *server) answer(q request) ([]byte, unix.Errno) {
	switch q.op {
	case opInit:
		return initOut(), 0
	case opDestroy, opFsync, opReleasedir:
		return nil, 0
	case opLookup:
		e := s.tree.lookup(q.node, cString(q.body))
		if e == nil {
			return nil, unix.ENOENT
		}
		return append(entryOut(e), attrOut(e)...), 0
	}
	e := s.tree.byID(q.node)
	if e == nil {
		return nil, unix.ENOENT
	}
	switch q.op {
	case opGetattr, opSetattr:
		return append(make([]byte, 16), attrOut(e)...), 0
	case opReadlink:
		return []byte(e.target), 0
	case opOpen, opOpendir:
		return s.open(e, q)
	case opRead:
		return part(s.file(q), q.body), 0
	case opReaddir:
		return s.readdir(e, q.body), 0
	case opWrite:
		return s.write(e, q.body)
	case opRelease:
		s.release(q)
		return nil, 0
	}
	return nil, unix.ENOSYS
}

// open takes what the file says now; sysfs too fills its page at the first read.
func (s *server) open(e *entry, q request) ([]byte, unix.Errno) {
	var content []byte
	if !e.isDir() {
		access := binary.NativeEndian.Uint32(q.body) & unix.O_ACCMODE
		if access != unix.O_WRONLY && e.mode&0o400 == 0 || access != unix.O_RDONLY && e.write == nil {
			return nil, unix.EACCES
		}
		content = []byte(s.tree.content(e))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.files[s.next] = content
	out := make([]byte, 16)
	binary.NativeEndian.PutUint64(out, s.next)
	if !e.isDir() {
		binary.NativeEndian.PutUint32(out[8:], directIO)
	}
	return out, 0
}

func (s *server) file(q request) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[binary.NativeEndian.Uint64(q.body)]
}

func (s *server) release(q request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, binary.NativeEndian.Uint64(q.body))
}

// write lets the file act and answers when it has acted.
func (s *server) write(e *entry, body []byte) ([]byte, unix.Errno) {
	size := binary.NativeEndian.Uint32(body[16:])
	if e.write == nil {
		return nil, unix.EACCES
	}
	if errno := e.write(string(body[40 : 40+size])); errno != 0 {
		return nil, errno
	}
	out := make([]byte, 8)
	binary.NativeEndian.PutUint32(out, size)
	return out, 0
}

func (s *server) readdir(e *entry, body []byte) []byte {
	offset, size := binary.NativeEndian.Uint64(body[8:]), int(binary.NativeEndian.Uint32(body[16:]))
	var out []byte
	for i, child := range s.tree.children(e) {
		if uint64(i) < offset {
			continue
		}
		record := dirent(child, uint64(i)+1)
		if len(out)+len(record) > size {
			break
		}
		out = append(out, record...)
	}
	return out
}
