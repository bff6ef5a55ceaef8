package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack/fuxi/volume"
)

func noon() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// golden compares with a file of testdata; UPDATE_GOLDEN=1 writes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%s (%v): got\n%s\nwant\n%s", name, err, got, want)
	}
}

func someTrouble() volume.Status {
	st := volume.Status{
		Version: "1.0.0", Host: "node1", Cluster: "fuxi", Since: noon().Add(-50 * time.Hour),
		Clouds: []volume.CloudStatus{
			{Cloud: "default", Provider: "cinder", LastAnswer: noon().Add(-192 * time.Second), LastRefresh: noon().Add(-4 * time.Minute), Known: 214,
				LastError: "https://cloud.example.org:8776/v3: dial tcp 10.0.0.1:8776: connect: connection refused"},
			{Cloud: "other", Provider: "cinder", Answers: true, LastAnswer: noon(), LastRefresh: noon().Add(-31 * time.Second), Known: 3},
			{Cloud: "new", Provider: "cinder"},
			{Cloud: "dead", Provider: "cinder", LastError: "no route to host"},
		},
		Volumes: someVolumes()[1:],
		Unfinished: []volume.Unfinished{
			{Name: "web", ID: "id", Step: "detaching", Age: 192 * time.Second, Why: "the cloud does not answer: connection refused", Next: "it is finished by itself as soon as the cloud answers"},
			{Name: "存储卷", Step: "creating", Age: 5 * time.Second, Why: "under\x1b[31m way"},
		},
		SetAside: []string{"vol-1.json: machine id is \"a\" there and \"b\" here"},
	}
	st.Volumes[1].Step = "connected"
	for i := range 9 {
		st.Events = append(st.Events, volume.Event{At: noon().Add(time.Duration(i-8) * 7 * time.Hour), Name: "web", Text: fmt.Sprintf("event %d", i)})
	}
	st.Events[8].Name = ""
	return st
}

func render(st volume.Status, width int, all bool) string {
	p := page{now: noon(), width: width, all: all}
	p.status(st)
	return p.text.String()
}

func TestStatusPage(t *testing.T) {
	golden(t, "status.txt", render(someTrouble(), 0, false))
	golden(t, "status-60.txt", render(someTrouble(), 60, false))
	golden(t, "status-idle.txt", render(volume.Status{
		Version: "1.0.0", Host: "node1", Cluster: "fuxi", Since: noon().Add(-time.Minute),
		Clouds: []volume.CloudStatus{{Cloud: "default", Provider: "cinder", Answers: true, LastAnswer: noon(), LastRefresh: noon(), Known: 0}},
	}, 80, false))
	for _, line := range strings.Split(render(someTrouble(), 60, true), "\n") {
		if columns(line) > 60 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
}

func TestStatusFitsOneScreen(t *testing.T) {
	st := someTrouble()
	st.Clouds = st.Clouds[:1]
	for range 5 {
		st.Volumes = append(st.Volumes, st.Volumes...)
		st.Unfinished = append(st.Unfinished, st.Unfinished...)
		st.SetAside = append(st.SetAside, st.SetAside...)
	}
	short, long := render(st, 120, false), render(st, 120, true)
	if n := strings.Count(short, "\n"); n > 50 || strings.Count(short, "more: fuxi status --all") != 3 {
		t.Errorf("%d lines:\n%s", n, short)
	}
	if strings.Contains(long, "more: fuxi status") || strings.Count(long, "web-site  1 GiB") != 32 || strings.Count(long, "event ") != 9 {
		t.Errorf("not all:\n%s", long)
	}
}

func TestStatusCommand(t *testing.T) {
	socket := daemonOf(t, &cloudless{status: volume.Status{Host: "node1", Cluster: "c", Since: time.Now()}})
	if got := fuxiSays(t, at(socket, "status")...); got.code != 0 || got.err != "" || !strings.Contains(got.out, " on node1, cluster c, running for 0s\n") {
		t.Errorf("%+v", got)
	}
	if got := fuxiSays(t, at(socket, "status", "--json")...); got.code != 0 || !strings.Contains(got.out, `"host": "node1"`) {
		t.Errorf("%+v", got)
	}
}

func TestInspect(t *testing.T) {
	socket := daemonOf(t, &cloudless{infos: someVolumes()})
	got := fuxiSays(t, at(socket, "inspect", "db", "nosuch", "x")...)
	if got.code != 4 || got.err != "fuxi: no such volume: nosuch\n" || strings.Count(got.out, "Name:") != 2 {
		t.Errorf("%+v", got)
	}
	infos := someVolumes()
	infos[1].CreatedAt, infos[1].Age = noon().Add(-3*time.Hour), 12*time.Second
	infos[1].Step, infos[1].LastError, infos[1].Notes = "mounted", "two\nlines", []string{"n1", "n2"}
	var text strings.Builder
	if err := printDetails(&text, infos, false, noon()); err != nil {
		t.Fatal(err)
	}
	golden(t, "inspect.txt", text.String())
	if got := fuxiSays(t, at(socket, "inspect", "nosuch", "--json")...); got.code != 4 || got.out != "[]\n" {
		t.Errorf("%+v", got)
	}
}

func TestTexts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59900 * time.Millisecond: "59s", 192 * time.Second: "3m12s", time.Hour: "1h00m",
		47*time.Hour + 59*time.Minute: "47h59m", 76 * time.Hour: "3d4h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	for s, want := range map[string]int{"": 0, "abc": 3, "存储": 4, "e\u0301": 1, "ＡＢ": 4, "ö…×": 3} {
		if got := columns(s); got != want {
			t.Errorf("columns(%q) = %d, want %d", s, got, want)
		}
	}
	for _, limit := range []int{1, 2, 3, 4, 5} {
		if got := cut("存储卷", limit); columns(got) > limit {
			t.Errorf("cut to %d: %q", limit, got)
		}
	}
	if got := plain("a\nb\x1b\u009b\u202ec\xff"); got != `a\nb\x1b\x9b\x202ec`+"\ufffd" {
		t.Errorf("%q", got)
	}
}
