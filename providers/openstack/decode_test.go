package openstack

import (
	"encoding/json"
	"testing"
	"time"
)

type odd struct {
	I Int
	T Text
	F Flag
	A Time
	W Words
	L List[struct{ X Int }]
}

func TestLenientDecoding(t *testing.T) {
	for input, want := range map[string]odd{
		`{"I": 5, "T": "x", "F": true}`:                           {I: 5, T: "x", F: true},
		`{"I": "5", "T": 7, "F": "True"}`:                         {I: 5, T: "7", F: true},
		`{"I": 5.0, "T": true, "F": 1}`:                           {I: 5, T: "true", F: true},
		`{"I": null, "T": null, "F": null, "W": null, "L": null}`: {},
		`{"I": [1], "T": {"a": 1}, "F": "no", "W": [], "L": {}}`:  {},
		`{"I": "1e400", "A": "yesterday"}`:                        {},
		`{"A": "2024-05-01T10:00:00.900000"}`:                     {A: Time{time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)}},
		`{"A": "2024-05-01 10:00:00"}`:                            {A: Time{time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)}},
		`{"A": "2024-05-01T12:00:00+02:00"}`:                      {A: Time{time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)}},
	} {
		var got odd
		if err := json.Unmarshal([]byte(input), &got); err != nil {
			t.Errorf("%s: %v", input, err)
		}
		if got.I != want.I || got.T != want.T || got.F != want.F || !got.A.Equal(want.A.Time) || got.W != nil || got.L != nil {
			t.Errorf("%s: %+v", input, got)
		}
	}
	var got odd
	if err := json.Unmarshal([]byte(`{"W": {"a": 1, "b": "x"}, "L": [{"X": "3"}, 4, null, {"X": 5}]}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.W["a"] != "1" || got.W["b"] != "x" || len(got.L) != 2 || got.L[0].X != 3 || got.L[1].X != 5 {
		t.Errorf("%+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"I": "5", "T": 7, "F": "True", "A": "2024-05-01T10:00:00", "W": {"a": 1}, "L": [{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got odd
		var object map[string]json.RawMessage
		whole := json.Unmarshal(data, &object) == nil
		if err := json.Unmarshal(data, &got); err != nil && whole {
			t.Errorf("an object does not decode: %v", err)
		}
		if !got.A.IsZero() && (got.A.Nanosecond() != 0 || got.A.Location() != time.UTC) {
			t.Errorf("time %v", got.A)
		}
	})
}

func FuzzFault(f *testing.F) {
	f.Add([]byte(`{"itemNotFound": {"message": "gone", "code": 404}}`))
	f.Add([]byte(`<html>`))
	f.Add([]byte(`{"": {"message": "nameless"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		name, message := parseFault(data)
		if (name == "") && message != "" || len(message) > 510 {
			t.Errorf("%q %q", name, message)
		}
	})
}
