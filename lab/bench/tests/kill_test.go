package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestKillAtRecordsOfAnUpgrade: kill -9 right after a record, then `resume`:
// the target or the old version, nothing lost, nothing done by halves.
func TestKillAtRecordsOfAnUpgrade(t *testing.T) {
	t.Parallel()
	long(t) // without --all TestLabCrash kills the whole node
	x := newBox(t, lab.Options{})
	script, _ := x.scripts()
	x.killedAndResumed(script, script.places(t, "intent n1.swap"))
}

// TestKillAtRecordsOfAnUpgradeOverSSH: the coordinator is killed, the node and
// its helper go on by themselves.
func TestKillAtRecordsOfAnUpgradeOverSSH(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBoxOver(t, lab.Options{}, overSSH)
	script, _ := x.scripts()
	x.killedAndResumed(script, script.named(t, "outcome n1.fence", "intent n1.stage", "intent n1.stop", "outcome n1.stop",
		"intent n1.swap", "outcome n1.start", "outcome n1.gate", "end"))
}

func (x *box) killedAndResumed(script script, places []int) {
	t := x.t
	x.needCrash()
	x.before = take(t, x.c)
	x.save("base")
	for _, record := range places {
		t.Run(fmt.Sprintf("%02d %s", record, script[record-1]), func(t *testing.T) {
			y := x.on(t)
			y.reset("base")
			y.witness()
			y.diesAfter(record, script[record-1], "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
			y.resumed(script[record-1] == "end")
		})
	}
}

// resumed goes on with a run that was killed, and judges what comes of it.
// over: it was killed after its last record.
func (x *box) resumed(over bool) {
	x.t.Helper()
	r, err := x.b.Run(x.t.Context(), "resume")
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Logf("belay resume: exit %d after %s", r.Code, r.Took.Round(100*time.Millisecond))
	j := x.journal()
	if over {
		if r.Code != 1 || !strings.Contains(r.Refusal, "has ended") {
			x.t.Errorf("resume of a run that is over: %s", r)
		}
		report := x.run(0, "report")
		r.Report = report.Report
	}
	end := j.Last()
	if end.Event != "end" {
		x.t.Fatalf("the journal ends with %s after: %s\n%s", end, clip(r.String(), 3000), x.story0())
	}
	codes := map[string]int{"committed": 0, "unchanged": 3, "restored": 3}
	if asked(j) {
		codes["unchanged"], codes["restored"] = 0, 0
	}
	if code, known := codes[end.State]; !known || !over && r.Code != code {
		x.t.Fatalf("it ended %q with exit %d: %s\n%s", end.State, r.Code, clip(r.String(), 3000), x.story0())
	}
	x.once(j)
	switch end.State {
	case "committed":
		x.serves(labtest.To)
		x.tidy()
		x.judge(oracle.Cut{}, r.Report, true)
	default:
		x.serves(labtest.From)
		x.tidy()
		x.judge(cutOf(j), r.Report, false)
	}
}

func asked(j belay.Journal) bool {
	for _, r := range j {
		if r.Event == "turn" {
			return r.Asked
		}
	}
	return false
}

// once demands that nothing that changes the node was done twice: a step whose
// outcome was good, or was found to be there, is not begun again, unless K3s
// ran in between.
func (x *box) once(j belay.Journal) {
	x.t.Helper()
	done := map[string]bool{}
	for _, r := range j {
		switch {
		case r.Event == "outcome" && r.OK, r.Event == "probed" && r.State == "done":
			done[r.Step] = true
		case r.Event == "outcome" && r.Fault != nil && r.Fault.Kind == "stale":
			done = map[string]bool{} // stop and keep run again, rightly
		case r.Event == "intent" && done[r.Step]:
			x.t.Errorf("%s was done, and begun again:\n%s", r.Step, j)
		}
	}
}

// soakSaved brings the box into the soak of an upgrade, kills Belay there and
// saves the disk: the state from which ways back begin.
func (x *box) soakSaved() {
	x.t.Helper()
	x.witness()
	p := x.soaking()
	attemptsGrow(x.t, x.log, oracle.Acknowledged)
	if err := p.Kill(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	x.end(10 * time.Second)
	x.hush()
	x.dismiss()
	x.save("soak")
}

// imaged is a disk that is saved as an image: Belay knows its directories by
// their inodes, and a disk that was copied file by file is another disk.
var imaged = lab.Options{DiskMB: 2500}

// TestKillAtRecordsOfAPutBack: the same on the way back.
func TestKillAtRecordsOfAPutBack(t *testing.T) {
	t.Parallel()
	long(t) // without --all TestLabCrash kills the whole node
	x := newBox(t, imaged)
	_, script := x.scripts()
	x.killedOnTheWayBack(script, script.places(t, "intent n1.back.put-back", "outcome n1.back.put-back"))
}

func TestKillAtRecordsOfAPutBackOverSSH(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBoxOver(t, imaged, overSSH)
	_, script := x.scripts()
	x.killedOnTheWayBack(script, script.named(t, "resumed", "turn", "intent n1.back.put-back", "outcome n1.back.put-back", "intent n1.back.start", "end"))
}

func (x *box) killedOnTheWayBack(script script, places []int) {
	t := x.t
	x.needCrash()
	x.soakSaved()
	for _, record := range places {
		t.Run(fmt.Sprintf("%02d %s", record, script[record-1]), func(t *testing.T) {
			y := x.on(t)
			y.reset("soak")
			y.witness()
			y.followed()
			y.dieOnTheWayBack(script, record)
			if record < script.at(t, "turn") {
				// Nobody has told the run yet that it goes back: asked again, it does.
				y.finishedBy("rollback")
				return
			}
			y.resumed(script[record-1] == "end")
		})
	}
}

// dieOnTheWayBack kills `belay rollback` after a record of its own.
func (x *box) dieOnTheWayBack(script script, record int) {
	x.t.Helper()
	x.diesAfter(record, script[record-1], "rollback")
}

func (x *box) finishedBy(command string) {
	x.t.Helper()
	r := x.run(0, command)
	if r.Report.State() != "restored" {
		x.t.Errorf("%s ended %s", command, r.Report.State())
	}
	x.once(x.journal())
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
}

// TestPowerCutAtRecordsOfAPutBack: the whole node dies at a record and is
// booted. K3s comes up on the old version and nobody starts Belay; only then
// the run is ended by hand.
func TestPowerCutAtRecordsOfAPutBack(t *testing.T) {
	t.Parallel()
	long(t) // without --all TestLabCrash does it
	x := newBox(t, imaged)
	x.needCrash()
	_, script := x.scripts()
	x.soakSaved()
	for _, record := range script.places(t, "outcome n1.back.put-back") {
		t.Run(fmt.Sprintf("%02d %s", record, script[record-1]), func(t *testing.T) {
			y := x.on(t)
			y.reset("soak")
			y.witness()
			y.followed()
			y.dieOnTheWayBack(script, record)
			// The node is told before the record `turn`; `measured` lies between.
			y.cutAndBooted(record >= script.at(t, "measured"), script[record-1] == "end")
		})
	}
	// And in the middle of the exchange itself, where no record is written:
	// the marker is there from before the first exchange until after the last.
	delays := []time.Duration{10 * time.Millisecond}
	if all() {
		delays = append(delays, 0)
		for d := 2 * time.Millisecond; d < 80*time.Millisecond; d += 4 * time.Millisecond {
			delays = append(delays, d)
		}
	}
	for _, delay := range delays {
		t.Run(fmt.Sprintf("marker and %s", delay), func(t *testing.T) {
			y := x.on(t)
			y.reset("soak")
			y.witness()
			y.followed()
			p, err := y.b.Start(t.Context(), "rollback")
			if err != nil {
				t.Fatal(err)
			}
			y.waitForMarker(60 * time.Second)
			time.Sleep(delay) // not a condition: the moment is the test
			y.cutAndBooted(true, false)
			if r, err := p.Wait(); err != nil || r.Code != belay.Killed {
				t.Errorf("belay outlived the power cut: %s, %v", r, err)
			}
		})
	}
}

// cutAndBooted cuts the power now, boots, and demands that K3s is up without
// anybody's help: on the old version if the node knew that it goes back.
func (x *box) cutAndBooted(old, over bool) {
	x.t.Helper()
	if err := x.n.PowerCut(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	back := time.Now()
	if err := x.n.Boot(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	if err := k3s.Wait(x.t.Context(), x.n); err != nil {
		x.t.Fatalf("K3s did not come up by itself: %v\n%s\n%s", err, x.story0(), x.guardLog())
	}
	x.t.Logf("K3s is up and Ready %s after the power came back", time.Since(back).Round(100*time.Millisecond))
	if !old {
		x.serves(labtest.To)
		x.finishedBy("rollback")
		return
	}
	x.serves(labtest.From)
	cut := cutOf(x.journal())
	if cut.Back.IsZero() || back.Before(cut.Back) {
		cut.Back = back
	}
	var report *belay.Report
	if over {
		report = x.run(0, "report").Report
	} else {
		report = x.run(0, "resume").Report // a person had asked for the way back
	}
	if report.State() != "restored" {
		x.t.Errorf("the run ended %q", report.State())
	}
	x.once(x.journal())
	x.serves(labtest.From)
	x.tidy()
	x.judge(cut, report, false)
}

// guardLog is what the boot unit said.
func (x *box) guardLog() string {
	res, err := x.n.Exec(x.t.Context(), "journalctl", "-b", "-u", "belay-guard", "--no-pager", "-o", "cat")
	if err != nil {
		return err.Error()
	}
	return "boot unit:\n" + res.Stdout
}

// waitForMarker spins, because what follows the marker takes milliseconds.
func (x *box) waitForMarker(limit time.Duration) {
	x.t.Helper()
	marker, err := x.n.HostPath(k3s.DataDir + "/.belay-put-back")
	if err != nil {
		x.t.Fatal(err)
	}
	there := func() bool { _, err := os.Lstat(marker); return err == nil }
	for end := time.Now().Add(limit); !there(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(end) {
			x.t.Fatalf("no marker within %s\n%s", limit, x.story0())
		}
	}
}
