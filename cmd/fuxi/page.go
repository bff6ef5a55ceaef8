package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/openstack/fuxi/volume"
)

// How much of each part is shown on one screen.
const (
	volumesShown    = 12
	unfinishedShown = 6
	setAsideShown   = 4
	eventsShown     = 6
	userIDShown     = 12
)

// page is the text of fuxi status in the making.
type page struct {
	text  strings.Builder
	now   time.Time
	width int  // of the terminal; 0 is no limit
	all   bool // leave nothing out
}

func (p *page) status(st volume.Status) {
	p.line("", "fuxi %s on %s, cluster %s, running for %s", st.Version, st.Host, st.Cluster, span(p.now.Sub(st.Since)))
	for _, c := range st.Clouds {
		p.cloud(c)
	}
	p.volumes(st.Volumes)
	p.unfinished(st.Unfinished)
	p.setAside(st.SetAside)
	p.events(st.Events)
}

func (p *page) cloud(c volume.CloudStatus) {
	read := "its volumes were never read"
	if !c.LastRefresh.IsZero() {
		noun := "volumes"
		if c.Known == 1 {
			noun = "volume"
		}
		read = fmt.Sprintf("%d %s, read %s", c.Known, noun, ago(p.now, c.LastRefresh))
	}
	switch {
	case c.Answers:
		p.line("", "cloud %s (%s) answers: %s", c.Cloud, c.Provider, read)
	case c.LastError == "" && c.LastAnswer.IsZero():
		p.line("", "cloud %s (%s) was not asked yet", c.Cloud, c.Provider)
	case c.LastAnswer.IsZero():
		p.line("", "cloud %s (%s) DOES NOT ANSWER and never has since fuxi started: %s", c.Cloud, c.Provider, c.LastError)
	default:
		p.line("", "cloud %s (%s) DOES NOT ANSWER since %s (%s): %s; %s",
			c.Cloud, c.Provider, p.clock(c.LastAnswer), ago(p.now, c.LastAnswer), orDash(c.LastError), read)
	}
}

func (p *page) volumes(infos []volume.Info) {
	if len(infos) == 0 {
		p.heading("Nothing is mounted or attached here")
		return
	}
	p.heading("Mounted or attached here: %d", len(infos))
	rows := [][]string{{"NAME", "SIZE", "STATE", "STEP", "USERS", "MOUNTPOINT"}}
	shown := head(p, infos, volumesShown)
	for _, info := range shown {
		rows = append(rows, []string{info.Name, gib(info.SizeGiB), state(info), info.Step, users(info, userIDShown), info.Mountpoint})
	}
	_ = table(&p.text, "  ", p.width, rows) // a strings.Builder takes everything
	p.more(len(infos) - len(shown))
}

func (p *page) unfinished(all []volume.Unfinished) {
	if len(all) == 0 {
		p.heading("Nothing is half done")
		return
	}
	p.heading("Half done: %d", len(all))
	shown := head(p, all, unfinishedShown)
	for _, u := range shown {
		p.line("  ", "%s: %s for %s: %s", u.Name, orDash(u.Step), span(u.Age), orDash(u.Why))
		if u.Next != "" {
			p.line("    ", "next: %s", u.Next)
		}
	}
	p.more(len(all) - len(shown))
}

func (p *page) setAside(all []string) {
	if len(all) == 0 {
		return
	}
	p.heading("Records set aside, of other machines or clouds or damaged: %d", len(all))
	shown := head(p, all, setAsideShown)
	for _, record := range shown {
		p.line("  ", "%s", record)
	}
	p.more(len(all) - len(shown))
}

// events shows the newest, which are the last.
func (p *page) events(all []volume.Event) {
	if len(all) == 0 {
		return
	}
	p.heading("Newest events")
	if !p.all && len(all) > eventsShown {
		all = all[len(all)-eventsShown:]
	}
	for _, e := range all {
		name := ""
		if e.Name != "" {
			name = e.Name + ": "
		}
		p.line("  ", "%s %s%s", p.clock(e.At), name, e.Text)
	}
}

// clock is a time of today, or a day before.
func (p *page) clock(t time.Time) string {
	t = t.In(p.now.Location())
	if t.Format(time.DateOnly) == p.now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("Jan _2 15:04")
}

func (p *page) heading(format string, args ...any) {
	p.text.WriteByte('\n')
	p.line("", format, args...)
}

// line writes a text, broken at the terminal's width and then indented more.
func (p *page) line(indent, format string, args ...any) {
	limit := 0
	if p.width > 0 {
		limit = max(p.width-len(indent)-4, 20)
	}
	for i, l := range wrapped(plain(fmt.Sprintf(format, args...)), limit) {
		if i > 0 {
			l = "    " + l
		}
		p.text.WriteString(indent + l + "\n")
	}
}

func (p *page) more(n int) {
	if n > 0 {
		p.line("  ", "… and %d more: fuxi status --all", n)
	}
}

// head is as much of a list as has room on the page.
func head[T any](p *page, all []T, limit int) []T {
	if p.all || len(all) <= limit {
		return all
	}
	return all[:limit]
}
