package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what a run prints.
type table struct {
	head []string
	rows []row
}

// row is one figure.
type row struct {
	What     string  `json:"what"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Limit    float64 `json:"limit"` // none when negative
	AtLeast  bool    `json:"at_least,omitempty"`
	Over     bool    `json:"over"`
	Original string  `json:"original,omitempty"` // what the program this one replaces took
	Note     string  `json:"note,omitempty"`
}

// none is the limit of a figure without one.
const none = -1

// most adds a figure that must not be larger.
func (t *table) most(what string, value float64, unit string, limit float64, original, note string) {
	t.rows = append(t.rows, row{What: what, Value: value, Unit: unit, Limit: limit,
		Over: limit >= 0 && value > limit, Original: original, Note: note})
}

// least adds a figure that must not be smaller.
func (t *table) least(what string, value float64, unit string, limit float64, original, note string) {
	t.rows = append(t.rows, row{What: what, Value: value, Unit: unit, Limit: limit, AtLeast: true,
		Over: value < limit, Original: original, Note: note})
}

func (t *table) over() int {
	n := 0
	for _, r := range t.rows {
		if r.Over {
			n++
		}
	}
	return n
}

func (t *table) print(out io.Writer) {
	for _, line := range t.head {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tMEASURED\tLIMIT\t\tORIGINAL\tOF LIMIT")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.What, figure(r.Value, r.Unit), r.limit(), r.verdict(), r.Original, r.share())
	}
	_ = w.Flush()
	fmt.Fprintln(out)
	for _, r := range t.rows {
		if r.Note != "" {
			fmt.Fprintf(out, "%s: %s\n", r.What, r.Note)
		}
	}
	fmt.Fprintf(out, "\n%d of %d figures with a limit are over it\n", t.over(), t.limited())
}

func (t *table) limited() int {
	n := 0
	for _, r := range t.rows {
		if r.Limit >= 0 {
			n++
		}
	}
	return n
}

func (r row) limit() string {
	switch {
	case r.Limit < 0:
		return "-"
	case r.AtLeast:
		return "≥ " + figure(r.Limit, r.Unit)
	}
	return "≤ " + figure(r.Limit, r.Unit)
}

func (r row) verdict() string {
	switch {
	case r.Limit < 0:
		return ""
	case r.Over:
		return "OVER"
	}
	return "ok"
}

func (r row) share() string {
	if r.Limit <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f×", r.Value/r.Limit)
}

func figure(v float64, unit string) string {
	switch {
	case unit == "×":
		return fmt.Sprintf("%.2f×", v)
	case v >= 1000:
		digits := fmt.Sprintf("%.0f", v)
		return strings.TrimSpace(digits[:len(digits)-3] + "," + digits[len(digits)-3:] + " " + unit)
	case v == float64(int(v)):
		return strings.TrimSpace(fmt.Sprintf("%d %s", int(v), unit))
	}
	return strings.TrimSpace(fmt.Sprintf("%.3g %s", v, unit))
}

func (t *table) writeJSON(path string) error {
	data, err := json.MarshalIndent(map[string]any{"machine": t.head, "at": time.Now().UTC(), "rows": t.rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
