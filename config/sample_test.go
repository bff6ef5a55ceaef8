package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// uncommented is the sample with every key switched on.
func uncommented() string {
	return regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAllString(Sample(), "$1")
}

func TestSampleIsTheDefault(t *testing.T) {
	for name, text := range map[string]string{"as it is": Sample(), "uncommented": uncommented(), "empty": ""} {
		got, err := decode("fuxi.toml", text)
		if err != nil || !reflect.DeepEqual(got, Default()) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, Default())
		}
	}
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
}

func TestSampleHasEveryKey(t *testing.T) {
	c := Default()
	text := uncommented()
	for section, fields := range settings(&c) {
		for key := range settings(fields) {
			line := lineOf(text, section+"."+key)
			if line == 0 || !strings.HasPrefix(strings.Split(text, "\n")[line-1], key+" = ") {
				t.Errorf("the sample lacks %s.%s", section, key)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	var d Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || d.Seconds() != 90 {
		t.Errorf("%v, %v", d, err)
	}
	if text, err := d.MarshalText(); err != nil || string(text) != "1m30s" {
		t.Errorf("%s, %v", text, err)
	}
	if err := d.UnmarshalText([]byte("90")); err == nil || err.Error() != `a time needs a unit, such as "10s" or "3m"` || d.Seconds() != 90 {
		t.Errorf("%v, %v", d, err)
	}
}
