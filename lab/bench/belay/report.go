package belay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"belay.dev/lab/bench/oracle"
)

const reportFormat = "report/v1"

// Report is what the tests read of report/v1. Nothing of it is believed that
// can be seen from outside.
type Report struct {
	Belay    string `json:"belay"`
	Run      string `json:"run"`
	From     string `json:"from"`
	To       string `json:"to"`
	Verdict  string `json:"verdict"`
	ExitCode *int   `json:"exit-code"`
	End      *struct {
		State string `json:"state"`
		Why   string `json:"why"`
	} `json:"end"`
	Next  []string     `json:"next"`
	Steps []StepReport `json:"steps"`
	Gates []GateReport `json:"gates"`
	Turn  *TurnReport  `json:"turn"`
	// Fall is why the stopped copy followed a swap of the binary alone.
	Fall *TurnReport `json:"fall"`
	// WentBackBy is the class of the way back that held.
	WentBackBy *string        `json:"went-back-by"`
	API        APIGap         `json:"api"`
	Lost       *LostReport    `json:"lost"`
	Stays      []string       `json:"stays"`
	About      *JournalReport `json:"journal"`
}

// State is the end state, or empty while the run is open.
func (r *Report) State() string {
	if r == nil || r.End == nil {
		return ""
	}
	return r.End.State
}

// StepReport is one step.
type StepReport struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Back  bool   `json:"back"`
	State string `json:"state"`
	Says  string `json:"says"`
}

// GateReport is one answer of a gate.
type GateReport struct {
	Step    string    `json:"step"`
	Name    string    `json:"name"`
	Back    bool      `json:"back"`
	Verdict string    `json:"verdict"`
	Says    string    `json:"says"`
	At      time.Time `json:"at"`
}

// TurnReport is why it went back.
type TurnReport struct {
	Step  *string      `json:"step"`
	Asked bool         `json:"asked"`
	Why   string       `json:"why"`
	Gates []GateReport `json:"gates"`
}

// APIGap is how long the API was away; times as Belay writes them (`8.1s`).
type APIGap struct {
	Forward, Back, Through *string
	Complete               bool
	Outages                []OutageReport
	// OnNode is what the node saw itself; over SSH only.
	OnNode *struct {
		Port     int
		Forward  *string
		Complete bool
		Closed   []OutageReport
	} `json:"on-node"`
}

// OutageReport is one stretch of time without a good answer.
type OutageReport struct {
	Causes map[string]int `json:"causes"`
}

// Sentence is for people.
func (g APIGap) Sentence() string {
	var parts []string
	for _, p := range []struct {
		name string
		gap  *string
	}{{"forward", g.Forward}, {"back", g.Back}, {"from the stop until the old version was back", g.Through}} {
		if p.gap != nil {
			parts = append(parts, readable(*p.gap)+" "+p.name)
		}
	}
	if len(parts) == 0 {
		return "none measured"
	}
	return strings.Join(parts, " + ")
}

// readable rounds a time for a line on a screen.
func readable(span string) string {
	d, err := time.ParseDuration(span)
	if err != nil {
		return span
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// LostReport lists what the abandoned version wrote.
type LostReport struct {
	Abandoned         string `json:"abandoned"`
	Complete          bool   `json:"complete"`
	Objects           []oracle.Loss
	Revision          int64  `json:"revision"`
	KeptRevision      int64  `json:"kept-revision"`
	AbandonedRevision *int64 `json:"abandoned-revision"`
}

// JournalReport is what the report says about its journal.
type JournalReport struct {
	Records int     `json:"records"`
	Unsound *string `json:"unsound"`
}

// ReadReport reads report.json.
func ReadReport(text []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if r.Belay != reportFormat {
		return nil, fmt.Errorf("report: format %q, not %s", r.Belay, reportFormat)
	}
	return &r, nil
}

// StoredReport is report.json of a run.
func (b *Belay) StoredReport(ctx context.Context, run string) (*Report, error) {
	text, err := b.OfRun(ctx, run, "report.json")
	if err != nil {
		return nil, err
	}
	return ReadReport(text)
}
