package pretend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openstack/fuxi/connector/host"
	"github.com/openstack/fuxi/connector/host/hosttest"
)

// player carries out the statements of one recording.
type player struct {
	t       *testing.T
	m       machine
	values  *values
	timeout time.Duration
}

func newPlayer(t *testing.T, m machine, known map[string]string) *player {
	return &player{t: t, m: m, values: newValues(known), timeout: 30 * time.Second}
}

// play returns the normalised answer of one statement.
func (p *player) play(text string) []string {
	p.t.Helper()
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "do":
		p.m.do(p.t, rest)
		return nil
	case "let":
		p.let(strings.Fields(rest))
		return nil
	}
	rest = p.values.expand(rest)
	switch word {
	case "$":
		return p.run(rest)
	case "until":
		return p.until(rest)
	case "cat":
		return p.cat(rest)
	case "tree":
		return p.tree(rest)
	case "write":
		path, content, _ := strings.Cut(rest, " ")
		err := os.WriteFile(p.m.host().Path(path), []byte(content), 0)
		return []string{"= " + errnoOf(err)}
	case "await":
		p.await(rest, true)
	case "await-gone":
		p.await(rest, false)
	default:
		p.t.Fatalf("unknown statement %q", text)
	}
	return nil
}

func errnoOf(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func (p *player) run(words string) []string {
	p.t.Helper()
	fields := strings.Fields(words)
	ctx, cancel := context.WithTimeout(hosttest.Context(p.t), time.Minute)
	defer cancel()
	res, err := p.m.host().Run(ctx, host.Command{Name: fields[0], Args: fields[1:]})
	if err != nil {
		p.t.Fatalf("%s: %v", words, err)
	}
	answer := p.quote("|", string(res.Stdout))
	if strings.HasPrefix(words, "multipathd show") {
		slices.Sort(answer) // as the daemon heard of them, which is no order
	}
	answer = append(answer, p.quote("!", string(res.Stderr))...)
	return append(answer, fmt.Sprintf("= %d", res.ExitCode))
}

func (p *player) quote(mark, text string) []string {
	if text == "" {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if strings.Contains(line, "booted with systemd") || strings.Contains(line, "system scope bus") {
			continue // a lab node has no systemd to start iscsid by its socket
		}
		lines = append(lines, strings.TrimRight(mark+" "+p.values.normal(line), " "))
	}
	return lines
}

func (p *player) until(rest string) []string {
	p.t.Helper()
	text, words, _ := strings.Cut(rest, " $ ")
	var answer []string
	p.poll(rest, func() bool {
		answer = p.run(words)
		return strings.Contains(strings.Join(answer, "\n"), p.values.normal(text))
	})
	return answer
}

func (p *player) poll(what string, ready func() bool) {
	p.t.Helper()
	end := time.Now().Add(p.timeout)
	for !ready() {
		if time.Now().After(end) {
			p.t.Fatalf("waited %s for %s", p.timeout, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *player) await(glob string, there bool) {
	p.t.Helper()
	p.poll(glob, func() bool { return (len(p.glob(glob)) > 0) == there })
}

// glob returns the matches as absolute paths of the machine, numbers in order.
func (p *player) glob(pattern string) []string {
	h := p.m.host()
	found, err := filepath.Glob(h.Path(pattern))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range found {
		found[i] = "/" + strings.TrimPrefix(strings.TrimPrefix(found[i], h.Path("/")), "/")
	}
	slices.SortFunc(found, func(a, b string) int {
		if d := len(a) - len(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return found
}

func (p *player) cat(glob string) []string {
	found := p.glob(glob)
	if len(found) == 0 {
		return []string{"| none"}
	}
	var lines []string
	for _, path := range found {
		b, err := os.ReadFile(p.m.host().Path(path))
		if err != nil {
			lines = append(lines, p.quote("|", path+": "+errnoOf(err))...)
			continue
		}
		lines = append(lines, p.quote("|", path+": "+printable(b))...)
	}
	return lines
}

// printable shows binary pages as hex.
func printable(b []byte) string {
	text := strings.TrimRight(string(b), "\n")
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
		return fmt.Sprintf("hex %x", b)
	}
	return text
}

func (p *player) tree(dir string) []string {
	h := p.m.host()
	var lines []string
	_ = filepath.WalkDir(h.Path(dir), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if slices.Contains([]string{"power", "queue", "mq", "integrity"}, entry.Name()) && entry.IsDir() {
			return filepath.SkipDir
		}
		line := "/" + strings.TrimPrefix(strings.TrimPrefix(path, h.Path("/")), "/")
		if entry.Type()&os.ModeSymlink != 0 {
			to, _ := os.Readlink(path)
			line += " -> " + to
		} else if entry.IsDir() {
			line += "/"
		}
		lines = append(lines, p.quote("|", line)...)
		return nil
	})
	if len(lines) == 0 {
		return []string{"| none"}
	}
	return lines
}

func (p *player) let(words []string) {
	p.t.Helper()
	name, how, glob := words[0], words[1], p.values.expand(words[2])
	n := 0
	if last := how[len(how)-1]; last == '2' {
		how, n = how[:len(how)-1], 1
	}
	var found []string
	p.poll("let "+name+" "+glob, func() bool {
		found = p.glob(glob)
		return len(found) > n
	})
	if how == "read" {
		b, err := os.ReadFile(p.m.host().Path(found[n]))
		if err != nil {
			p.t.Fatal(err)
		}
		p.values.set(name, strings.TrimPrefix(strings.TrimSpace(string(b)), "naa."))
		return
	}
	value := filepath.Base(found[n])
	if how == "number" {
		p.values.number(name, strings.TrimLeft(value, "abcdefghijklmnopqrstuvwxyz"))
		return
	}
	p.values.set(name, value)
}
