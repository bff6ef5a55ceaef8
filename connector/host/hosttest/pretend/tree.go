package pretend

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tree is the pretend kernel's sysfs. What is written to a file has its effect
// before the write returns, as in the real one.
type tree struct {
	mu      sync.RWMutex
	entries map[uint64]*entry
	root    *entry
	next    uint64
}

// entry is one directory, file or symlink. A removed one answers ENOENT for
// ever: its number is never given again.
type entry struct {
	id      uint64
	name    string
	mode    uint32
	target  string                  // of a symlink
	content string                  // of a file
	write   func(string) unix.Errno // of a file that can be written
	under   map[string]*entry       // of a directory
}

func (e *entry) isDir() bool { return e.mode&unix.S_IFMT == unix.S_IFDIR }

func newTree() *tree {
	t := &tree{entries: map[uint64]*entry{}}
	t.root = t.enter(&entry{mode: unix.S_IFDIR | 0o755, under: map[string]*entry{}})
	return t
}

func (t *tree) enter(e *entry) *entry {
	t.next++
	e.id = t.next
	t.entries[e.id] = e
	return e
}

func (t *tree) byID(id uint64) *entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.entries[id]
}

func (t *tree) lookup(id uint64, name string) *entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if dir := t.entries[id]; dir != nil {
		return dir.under[name]
	}
	return nil
}

func (t *tree) children(e *entry) []*entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.SortedFunc(maps.Values(e.under), func(a, b *entry) int { return strings.Compare(a.name, b.name) })
}

func (t *tree) content(e *entry) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return e.content
}

// walk returns the entry at a path, nil when there is none. Symlinks are not
// followed: the model names things where they really are.
func (t *tree) walk(p string) *entry {
	e := t.root
	for word := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if e == nil || word == "" {
			return e
		}
		e = e.under[word]
	}
	return e
}

// put places an entry, making the directories above it.
func (t *tree) put(p string, e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dir := t.root
	words := strings.Split(strings.Trim(p, "/"), "/")
	for _, word := range words[:len(words)-1] {
		next := dir.under[word]
		if next == nil {
			next = t.enter(&entry{name: word, mode: unix.S_IFDIR | 0o755, under: map[string]*entry{}})
			dir.under[word] = next
		}
		dir = next
	}
	e.name = words[len(words)-1]
	if old := dir.under[e.name]; old != nil {
		t.forget(old)
	}
	dir.under[e.name] = t.enter(e)
}

// dir makes a directory and those above; one that is there stays as it is.
func (t *tree) dir(p string) {
	t.mu.RLock()
	old := t.walk(p)
	t.mu.RUnlock()
	if old == nil {
		t.put(p, &entry{mode: unix.S_IFDIR | 0o755, under: map[string]*entry{}})
	}
}

// file makes a readable file, or changes what it says. A newline is added.
func (t *tree) file(p, content string) {
	t.mu.Lock()
	if e := t.walk(p); e != nil && e.write == nil {
		e.content = content + "\n"
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.put(p, &entry{mode: unix.S_IFREG | 0o444, content: content + "\n"})
}

// files makes several files of one directory.
func (t *tree) files(dir string, contents map[string]string) {
	for name, content := range contents {
		t.file(path.Join(dir, name), content)
	}
}

// bytes makes a readable file of just these bytes.
func (t *tree) bytes(p, content string) {
	t.put(p, &entry{mode: unix.S_IFREG | 0o444, content: content})
}

// action makes a file that can only be written to.
func (t *tree) action(p string, act func(string) unix.Errno) {
	t.put(p, &entry{mode: unix.S_IFREG | 0o200, write: act})
}

// link makes a symlink, relative as all of sysfs are.
func (t *tree) link(p, to string) {
	from, target := strings.Split(path.Dir(p), "/"), strings.Split(to, "/")
	for len(from) > 0 && len(target) > 1 && from[0] == target[0] {
		from, target = from[1:], target[1:]
	}
	up := strings.Repeat("../", len(from))
	t.put(p, &entry{mode: unix.S_IFLNK | 0o777, target: up + strings.Join(target, "/")})
}

// remove takes away what is at a path, and all below.
func (t *tree) remove(p string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent, e := t.walk(path.Dir(p)), t.walk(p)
	if parent == nil || e == nil {
		return
	}
	delete(parent.under, e.name)
	t.forget(e)
}

func (t *tree) forget(e *entry) {
	delete(t.entries, e.id)
	for _, child := range e.under {
		t.forget(child)
	}
}

// at returns the entry at a path, nil when there is none.
func (t *tree) at(p string) *entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.walk(p)
}
