package pretend_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/openstack/fuxi/connector/host"
)

// A recording is a text of statements, each followed by what a real host
// answered. The same statements are given to a lab node and to the pretend host,
// so that neither can drift from the other unseen.
//
//	$ WORDS              run a command: its output "| ", its errors "! ", its code "= "
//	cat GLOB             the content of small files, "| path: content"
//	tree DIR             everything below a directory but tuning, symlinks not followed
//	write PATH TEXT      write to a file, "= ok" or the error
//	await GLOB           wait until something is there (await-gone: is not)
//	until TEXT $ WORDS   repeat a command until its output has the text
//	let NAME base GLOB   name the last element of the first match (base2: of the second)
//	let NAME number GLOB name the number it ends with (number2: of the second)
//	let NAME read GLOB   name the content of the first match, without "naa."
//	do ACTION            something that happens outside: see actions
//
// $NAME stands for the value everywhere, and what differs from one run to the
// next (numbers of hosts and sessions, disk names) is counted anew.
type recording struct {
	file       string
	statements []statement
}

type statement struct {
	text   string   // the line itself
	answer []string // the lines that follow it
	before []string // comments
}

// machine is where statements are carried out.
type machine interface {
	host() *host.Host
	// do carries out one action of the world outside.
	do(t *testing.T, action string)
}

func readRecording(t *testing.T, file string) *recording {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{file: file}
	var comments []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			comments = append(comments, line)
		case strings.HasPrefix(line, "| "), strings.HasPrefix(line, "! "), strings.HasPrefix(line, "= "), line == "|", line == "!":
			last := &r.statements[len(r.statements)-1]
			last.answer = append(last.answer, line)
		default:
			r.statements = append(r.statements, statement{text: line, before: comments})
			comments = nil
		}
	}
	return r
}

// difference lists the lines that only one of two answers has, or both when it
// is the order.
func difference(one string, a []string, other string, b []string) string {
	lines := func(who string, from, without []string) (list []string) {
		for _, line := range from {
			if !slices.Contains(without, line) {
				list = append(list, who+": "+line)
			}
		}
		return list
	}
	if d := append(lines(one, a, b), lines(other, b, a)...); len(d) > 0 {
		return strings.Join(d, "\n")
	}
	return strings.Join(append(lines(one, a, nil), lines(other, b, nil)...), "\n")
}
