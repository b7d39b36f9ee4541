package tests

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// The lease of a plan is never shorter than its longest deadline and a margin:
// 3.5 minutes on a box like these. Each of these tests takes about 6 minutes,
// and most of that is waiting; they wait beside each other.
const leaseIsOver = 330 * time.Second

// TestCoordinatorPausedForLongerThanItsLease: SIGSTOP after `start`, before the
// gates have said yes. The node goes back by itself; the coordinator goes on
// and is refused; `resume` reads what was done and ends the run.
func TestCoordinatorPausedForLongerThanItsLease(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBox(t, lab.Options{})
	x.witness()
	p, err := x.b.Start(t.Context(), "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan belay.Result, 1)
	go func() {
		r, _ := p.Wait()
		done <- r
	}()
	x.ended = done
	run := x.waitFor("", "outcome", "n1.start", 240*time.Second)
	if err := p.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j := x.journal(); j.Count("outcome", "n1.gate") > 0 {
		t.Fatalf("the gates had answered before it was paused:\n%s", j)
	}
	x.soonServes(labtest.To)
	x.followed()
	back := x.guarded(run)
	x.soonServes(labtest.From)

	if err := p.Continue(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := x.end(120 * time.Second)
	if late.Code != 4 || !late.Says("has left the node alone") || !late.Says("belay resume "+run) {
		t.Errorf("the coordinator that was late: %s", late)
	}
	life := x.life()
	x.serves(labtest.From)
	r := x.run(3, "resume")
	if state := r.Report.State(); state != "restored" {
		t.Errorf("resume ended %s", state)
	}
	if x.life() != life {
		t.Error("resume stopped or started K3s once more")
	}
	x.tellsOfTheGuard(r)
	x.tidy()
	cut := cutOf(x.journal())
	cut.Back = back
	x.judge(cut, r.Report, false)
}

// TestCoordinatorGoneForGood: kill -9 after `swap`, and nobody resumes. K3s is
// back on the old version, and nothing is lost: the new one never ran.
func TestCoordinatorGoneForGood(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBox(t, lab.Options{})
	x.needCrash()
	script, _ := x.scripts()
	x.witness()
	x.diesAfter(script.at(t, "outcome n1.swap"), "outcome n1.swap", "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	run, err := x.b.LastRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x.guarded(run)
	x.soonServes(labtest.From)
	if j := x.journal(); j.Last().Event == "end" || j.Count("resumed", "") > 0 {
		t.Errorf("somebody went on with the run:\n%s", j)
	}
	x.judge(oracle.Cut{}, nil, false)
}

// TestNodeThatBootsInTheMiddleAndStaysAlone: a power cut after `start`. The
// boot brings the new version up, nobody asks its gates, and the guard goes
// back when the lease that the boot began is over.
func TestNodeThatBootsInTheMiddleAndStaysAlone(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBox(t, lab.Options{})
	x.needCrash()
	script, _ := x.scripts()
	x.witness()
	x.diesAfter(script.at(t, "outcome n1.start"), "outcome n1.start", "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	run, err := x.b.LastRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.boot()
	x.soonServes(labtest.To)
	back := x.guarded(run)
	x.soonServes(labtest.From)
	r := x.run(3, "resume")
	x.tellsOfTheGuard(r)
	x.tidy()
	cut := cutOf(x.journal())
	cut.Back = back
	x.judge(cut, r.Report, false)
}

// tellsOfTheGuard demands that the report says who went back, when and why.
func (x *box) tellsOfTheGuard(r belay.Result) {
	x.t.Helper()
	report := x.run(0, "report")
	for _, words := range []string{"the guard of n1 acted at 20", "its coordinator was silent for", "the lease is"} {
		if !strings.Contains(report.Stdout, words) {
			x.t.Errorf("the report does not say %q:\n%s", words, clip(report.Stdout, 3000))
		}
	}
}

var (
	guardStarted = regexp.MustCompile(`"step":"guard","op":\{"op":"start"`)
	wallOf       = regexp.MustCompile(`"wall":(\d+)`)
)

// guarded waits until the guard of the node says that it is done, and gives the
// time from which the old version could take writes.
func (x *box) guarded(run string) time.Time {
	x.t.Helper()
	var text string
	labtest.Until(x.t, leaseIsOver, "the guard", func() bool {
		read, err := x.n.Get(x.t.Context(), belay.NodeState+"/runs/"+run+"/journal")
		text = string(read)
		return err == nil && strings.Contains(text, `"guard-done"`)
	})
	for line := range strings.Lines(text) {
		if !guardStarted.MatchString(line) {
			continue
		}
		if m := wallOf.FindStringSubmatch(line); m != nil {
			wall, err := strconv.ParseInt(m[1], 10, 64)
			if err == nil {
				return time.UnixMilli(wall)
			}
		}
	}
	x.t.Errorf("the guard started nothing:\n%s", clip(text, 6000))
	return time.Time{}
}
