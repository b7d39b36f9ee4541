package oracle

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Loss is one entry of Belay's list of what a way back set aside.
type Loss struct {
	Resource  string `json:"resource"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Change is what the abandoned version had done: created, changed,
	// deleted, or came-and-went (made and deleted again), which may be left out.
	Change string `json:"change"`
}

// ReadLosses reads the JSON list.
func ReadLosses(b []byte) ([]Loss, error) {
	var l []Loss
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("list of lost objects: %w", err)
	}
	return l, nil
}

// Cut says where the kept line ends and where it goes on. The zero Cut is a
// run without a way back: every acknowledged write has to be there.
type Cut struct {
	// Stop is when the old version was asked to stop. Writes acknowledged
	// before it must be there.
	Stop time.Time
	// Stopped, if known, is when it was proven stopped: what began later was
	// acknowledged by the abandoned version. Between the two, a write may be
	// on either side, but never on neither.
	Stopped time.Time
	// KeptRevision, if known, is the last revision of the kept datastore and
	// makes the line sharp.
	KeptRevision int64
	// Back is a moment between the end of the abandoned version and the new
	// start of the old one: what begins later is kept again.
	Back time.Time
}

// Evidence is all that the judgement rests on.
type Evidence struct {
	Attempts []Attempt
	Cut      Cut
	// Before was taken just before the run; objects of the writer in it do
	// not matter. Nil leaves out the rest of the cluster.
	Before Inventory
	After  Inventory
	Losses []Loss
	// Upgraded says that another version serves now: it may add objects and
	// fields, but not take any away, unless the server owns them.
	Upgraded bool
}

// Verdict lists every broken promise; none is a pass.
type Verdict struct {
	Violations []string
	// Counts of the writer's objects and attempts.
	Objects, Kept, Lost, Open int
}

// OK says whether every promise was kept.
func (v Verdict) OK() bool { return len(v.Violations) == 0 }

func (v Verdict) String() string {
	head := fmt.Sprintf("%d objects: %d as acknowledged before the stop, %d with later writes that the report lists, %d open",
		v.Objects, v.Kept, v.Lost, v.Open)
	if v.OK() {
		return "every promise kept: " + head
	}
	return fmt.Sprintf("%d promises broken (%s):\n  %s", len(v.Violations), head, strings.Join(v.Violations, "\n  "))
}

// Judge asks: is every write acknowledged before the stop there; is every
// later one that is not there in the report; does nothing else differ.
func Judge(e Evidence) Verdict {
	var v Verdict
	sides := place(e.Attempts, e.Cut)
	byObject := map[string][]int{}
	var order []string
	for i, a := range e.Attempts {
		key := Key("configmaps", a.Namespace, a.Name)
		if byObject[key] == nil {
			order = append(order, key)
		}
		byObject[key] = append(byObject[key], i)
	}
	reported := map[string]string{}
	for _, l := range e.Losses {
		reported[Key(plural(l.Resource), l.Namespace, l.Name)] = l.Change
	}
	for _, key := range order {
		v.Objects++
		var list []step
		for _, i := range byObject[key] {
			if e.Attempts[i].Outcome != Refused {
				list = append(list, step{e.Attempts[i], sides[i]})
			}
		}
		v.object(key, list, e.After[key], reported)
	}
	v.rest(e, byObject)
	sort.Strings(v.Violations)
	return v
}

// side of the line on which an attempt took effect, if it did.
type side int

const (
	kept   side = iota // before the stop: must be there
	either             // between stop and proof of the stop
	lost               // acknowledged by the abandoned version
	again              // after the way back: must be there
)

type step struct {
	Attempt
	side side
}

// place sorts attempts to the sides of the cut. A delete has no revision of
// its own; it lies between those of its neighbours, because one writer makes
// one attempt after the other.
func place(list []Attempt, cut Cut) []side {
	sides := make([]side, len(list))
	if cut.Stop.IsZero() && cut.KeptRevision == 0 {
		return sides // all kept
	}
	prev := int64(0)
	for i, a := range list {
		if !cut.Back.IsZero() && !a.Start.Before(cut.Back) {
			sides[i] = again
			continue
		}
		rev := a.Revision
		sides[i] = byTime(a, cut)
		if cut.KeptRevision > 0 {
			switch {
			case rev > cut.KeptRevision:
				sides[i] = lost
			case rev > 0:
				sides[i] = kept
			case prev >= cut.KeptRevision:
				sides[i] = lost
			case nextRevision(list[i+1:], cut) <= cut.KeptRevision:
				sides[i] = kept
			default:
				sides[i] = either
			}
		}
		prev = max(prev, rev)
	}
	return sides
}

func byTime(a Attempt, cut Cut) side {
	switch {
	case !a.End.IsZero() && !a.End.After(cut.Stop):
		return kept
	case !cut.Stopped.IsZero() && !a.Start.Before(cut.Stopped):
		return lost
	default:
		return either
	}
}

// nextRevision is that of the next acknowledged write before the way back.
func nextRevision(list []Attempt, cut Cut) int64 {
	for _, a := range list {
		if !cut.Back.IsZero() && !a.Start.Before(cut.Back) {
			break
		}
		if a.Revision > 0 {
			return a.Revision
		}
	}
	return 1<<63 - 1
}

// state of an object; the zero state is "not there".
type state struct{ uid, value string }

func (s state) String() string {
	if s == (state{}) {
		return "absent"
	}
	return "value " + s.value + " (uid " + s.uid + ")"
}

// equal compares; an unanswered create has no uid to compare.
func (s state) equal(t state) bool {
	return s.value == t.value && (s.uid == t.uid || s.value != "" && (s.uid == "" || t.uid == ""))
}

func (s state) apply(a Attempt) state {
	if a.Op == Delete {
		return state{}
	}
	return state{a.UID, a.Value}
}

// object judges one object: its state must be reachable by a cut in the order
// of its writes that respects the sides, and what lies behind the cut must be
// in the report.
func (v *Verdict) object(key string, list []step, raw json.RawMessage, reported map[string]string) {
	actual, err := read(raw)
	if err != nil {
		v.Violations = append(v.Violations, key+": "+err.Error())
		return
	}
	change, listed := reported[key]
	first, last := bounds(list)
	var problems []string
	for cut := last; cut >= first; cut-- {
		problem, open, isLost := v.try(list, cut, actual, change, listed)
		if problem == "" {
			switch {
			case open:
				v.Open++
			case isLost:
				v.Lost++
			default:
				v.Kept++
			}
			return
		}
		problems = append(problems, problem)
	}
	v.Violations = append(v.Violations, key+": "+problems[0])
}

// bounds are the fewest and the most attempts that may have been kept.
func bounds(list []step) (first, last int) {
	last = len(list)
	for i, s := range list {
		switch {
		case s.side == kept && s.Outcome == Acknowledged:
			first = i + 1
		case (s.side == lost || s.side == again) && i < last:
			last = i
		}
	}
	return min(first, last), last
}

// try supposes that the first n attempts were kept.
func (v *Verdict) try(list []step, n int, actual state, change string, listed bool) (problem string, open, isLost bool) {
	var base, expected, far state
	fleeting := false // it was there at some moment behind the cut
	for i, s := range list {
		after := far.apply(s.Attempt)
		if s.side == again {
			if s.Outcome == Acknowledged {
				expected = expected.apply(s.Attempt)
			} else {
				open = true
				if expected.apply(s.Attempt).equal(actual) {
					expected = actual
				}
			}
			continue
		}
		if s.Outcome == Unanswered {
			open = true
			if i < n && !after.equal(actual) {
				continue // it may as well not have happened
			}
		}
		far = after
		fleeting = fleeting || i >= n && far != state{}
		if i < n {
			base = after
		}
		expected = base
	}
	if !expected.equal(actual) {
		return fmt.Sprintf("is %s, was acknowledged as %s%s", actual, expected, history(list)), open, false
	}
	want := ""
	switch {
	case far.equal(base):
	case base == state{}:
		want = "created"
	case far == state{}:
		want = "deleted"
	default:
		want = "changed"
	}
	switch {
	case open: // whether it happened is not known, so either report is right
	case want == "" && listed && change == "came-and-went" && base == state{} && fleeting:
	case want == "" && listed:
		return fmt.Sprintf("the report lists it as %s, but nothing of it was lost", change), open, false
	case want != "" && !listed:
		return fmt.Sprintf("was %s after the stop, and acknowledged, but is not in the report%s", want, history(list)), open, true
	case want != change:
		return fmt.Sprintf("the report lists it as %s, it was %s", change, want), open, true
	}
	return "", open, want != ""
}

// history makes a violation readable without the log at hand.
func history(list []step) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, fmt.Sprintf("%s=%s at %s rv %d %s", s.Op, s.Value, s.Start.Format("15:04:05.000"), s.Revision, s.Outcome))
	}
	return " [" + strings.Join(parts, ", ") + "]"
}

// read takes the compared state out of an inventory entry. Value and label
// must agree: half of a write is no state.
func read(raw json.RawMessage) (state, error) {
	if raw == nil {
		return state{}, nil
	}
	var o struct {
		Metadata struct {
			UID    string            `json:"uid"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return state{}, err
	}
	if o.Data["value"] != o.Metadata.Labels["value"] {
		return state{}, fmt.Errorf("data says %q, the label %q", o.Data["value"], o.Metadata.Labels["value"])
	}
	return state{o.Metadata.UID, o.Data["value"]}, nil
}

// rest compares everything that is not the writer's.
func (v *Verdict) rest(e Evidence, written map[string][]int) {
	for key := range e.After {
		if strings.HasPrefix(key, "configmaps oracle-") && strings.Contains(key, "/w-") && written[key] == nil {
			v.Violations = append(v.Violations, key+": nobody wrote it")
		}
	}
	if e.Before == nil {
		return
	}
	comparison := Diff
	if e.Upgraded {
		comparison = Kept
	}
	for _, d := range comparison(others(e.Before), others(e.After)) {
		v.Violations = append(v.Violations, d.String())
	}
}

func others(inv Inventory) Inventory {
	rest := Inventory{}
	for key, o := range inv {
		if !strings.HasPrefix(key, "configmaps oracle-") || !strings.Contains(key, "/w-") {
			rest[key] = o
		}
	}
	return rest
}

// plural accepts the ways in which a report may name a resource: configmaps,
// v1/configmaps, ConfigMap.
func plural(resource string) string {
	r := strings.ToLower(resource[strings.LastIndex(resource, "/")+1:])
	if r == "configmap" {
		return "configmaps"
	}
	return r
}
