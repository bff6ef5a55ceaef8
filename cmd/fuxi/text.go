package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/openstack/fuxi/volume"
)

// plain makes a text safe for a terminal: much of what is shown was written
// into the cloud by others, and an escape sequence could rewrite the screen.
func plain(s string) string {
	return strings.ReplaceAll(plainLines(s), "\n", `\n`)
}

// plainLines is plain for texts of several lines.
func plainLines(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			out.WriteRune(r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// columns is how many columns of a terminal a text takes: East Asian wide
// characters take two, combining ones none.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// cut shortens a text to a number of columns; 0 is no limit.
func cut(s string, limit int) string {
	if limit <= 0 || columns(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += columns(string(r)); n > limit-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// wrapped breaks a text between words into lines of at most limit columns;
// 0 is no limit.
func wrapped(s string, limit int) []string {
	var lines []string
	for _, word := range strings.Fields(s) {
		last := len(lines) - 1
		if last >= 0 && (limit <= 0 || columns(lines[last])+1+columns(word) <= limit) {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// table writes rows with their columns aligned. Empty cells become "-".
func table(out io.Writer, indent string, limit int, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(orDash(plain(cell))))
		}
	}
	for _, row := range rows {
		line := indent
		for i, cell := range row {
			cell = orDash(plain(cell))
			line += cell + strings.Repeat(" ", widths[i]-columns(cell)+2)
		}
		if _, err := fmt.Fprintln(out, cut(strings.TrimRight(line, " "), limit)); err != nil {
			return err
		}
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// span is a duration for people: two units at most.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 2*day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// ago is how long before now something was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(now.Sub(t)) + " ago"
}

func gib(n int) string { return fmt.Sprintf("%d GiB", n) }

// filesystem is what is on a volume; in parentheses what will be made.
func filesystem(info volume.Info) string {
	if info.FSType == "" || info.Formatted {
		return info.FSType
	}
	return "(" + info.FSType + ")"
}

func state(info volume.Info) string {
	if info.Stale {
		return info.State + "?"
	}
	return info.State
}

// users lists Docker's mount ids, shortened to a length; 0 is no limit.
func users(info volume.Info, length int) string {
	var all []string
	for id, n := range info.Users {
		if length > 0 && len(id) > length {
			id = id[:length]
		}
		if n > 1 {
			id += fmt.Sprintf(" ×%d", n)
		}
		all = append(all, id)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
