package tests

import (
	"encoding/json"
	"testing"

	"belay.dev/lab/bench/labtest"
)

// script is the records that a program writes when all goes well, as "event
// step", in their order: the places where it can be killed. The tests hold
// each one against the journal of the run that died there.
type script []string

// at is the number of the record that a name means, counted from 1.
func (s script) at(t *testing.T, record string) int {
	t.Helper()
	for i, r := range s {
		if r == record {
			return i + 1
		}
	}
	t.Fatalf("no record %q in %q", record, s)
	return 0
}

// places are all records, or those that are named.
func (s script) places(t *testing.T, sample ...string) []int {
	t.Helper()
	var places []int
	if all() {
		for i := range s {
			places = append(places, i+1)
		}
		return places
	}
	return s.named(t, sample...)
}

// named are the records that are named.
func (s script) named(t *testing.T, records ...string) []int {
	t.Helper()
	var places []int
	for _, record := range records {
		places = append(places, s.at(t, record))
	}
	return places
}

// scripts reads from the plan which gates are asked, and writes down what an
// upgrade and a rollback out of its soak will journal.
func (x *box) scripts() (upgrade, rollback script) {
	x.t.Helper()
	var plan struct {
		Waves []struct {
			Steps []struct {
				ID    string   `json:"id"`
				Kind  string   `json:"kind"`
				Gates []string `json:"gates"`
			} `json:"steps"`
		} `json:"waves"`
	}
	r := x.run(0, "plan", "--to", labtest.To)
	if err := json.Unmarshal([]byte(r.Stdout), &plan); err != nil {
		x.t.Fatalf("the plan: %v\n%s", err, r.Stdout)
	}
	do := func(s script, step string, gates int) script {
		s = append(s, "intent "+step)
		for range gates {
			s = append(s, "gate "+step)
		}
		return append(s, "outcome "+step)
	}
	upgrade = script{"open"}
	back := 0
	for _, wave := range plan.Waves {
		for _, step := range wave.Steps {
			gates := len(step.Gates)
			switch step.Kind {
			case "gate":
				for _, g := range step.Gates {
					if g != "probe" {
						back++
					}
				}
			case "soak":
				gates = 0 // a soak journals only what ends it
			}
			upgrade = do(upgrade, step.ID, gates)
		}
	}
	upgrade = append(upgrade, "measured", "end")
	rollback = script{"resumed", "note", "measured", "turn"} // the note: how long it took to decide
	for _, step := range []string{"stop", "put-back", "start", "gate", "release"} {
		gates := 0
		if step == "gate" {
			gates = back
		}
		rollback = do(rollback, "n1.back."+step, gates)
	}
	return upgrade, append(rollback, "measured", "end")
}
