package tests

import (
	"os"
	"slices"
	"strings"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

// waitForADeath is for a program that was killed.
const waitForADeath = 10 * time.Second

// usually is how long a step takes here, about: the time from which the moment
// inside of it is drawn. What takes milliseconds has its own way, see inside.
var usually = map[string]time.Duration{
	"stage": 2 * time.Second, "backup": 500 * time.Millisecond, "prove-backup": 200 * time.Millisecond,
	"rebuild": 300 * time.Millisecond, "baseline": 2 * time.Second, "stop": 2 * time.Second, "keep": 100 * time.Millisecond,
	"swap": 100 * time.Millisecond, "start": 4 * time.Second, "gate": 2 * time.Second, "soak": 2 * time.Second,
	"commit": 50 * time.Millisecond, "fence": 50 * time.Millisecond,
	// After the marker: the exchange.
	"restore": 150 * time.Millisecond, "put-back": 150 * time.Millisecond,
	"release": 50 * time.Millisecond,
}

// after is what is seen of the node when the fault is over and K3s is up.
type after struct {
	// inode of `server` before the run's last command, and at that time.
	was, is int
	// booted is when the power came back; zero when it never went.
	booted time.Time
}

// crash carries out a row and demands what has to be true at the end of every
// one: one version everywhere, the cluster that it was, and the oracle exact.
func (c *crashLane) crash(x *box, row crashRow) {
	g := c.begin(x, row)
	seen := after{was: x.serverInode()}
	if row.fault == powerCut {
		c.cutPower(x, row, g, &seen)
	} else {
		c.fillDisk(x, row, g)
	}
	seen.is = x.serverInode()
	if row.kind == aPutBack && row.fault == powerCut && seen.is == seen.was {
		x.t.Errorf("the node had been told to go back, and its boot did not\n%s", x.guardLog())
	}
	// A way back that was not made is asked for once more.
	command := "resume"
	if row.kind == aPutBack && seen.is == seen.was {
		command = "rollback"
	}
	// Nothing of this may need a human: etcd's start on a full disk has its own reserve. But a kubelet of a real K3s evicts pods
	// on a full disk, and no version brings them back before somebody has made room: then the run says so, and K3s is up.
	evicted := false
	if last := x.journal().Last(); last.State == "needs-human" {
		command = "resume"
		evicted = row.fault != powerCut && strings.Contains(last.Why, "DiskPressure")
		if !evicted {
			x.t.Errorf("it needs a human\n%s\n%s", x.story0(), x.journal())
		}
	}
	report, j := x.finished(command)
	state := j.Last().State
	x.t.Logf("ended %s: %s", state, report.Verdict)
	c.totals.end(string(row.kind) + " " + state)
	if row.kind == aPutBack && state != "restored" {
		x.t.Errorf("a way back that was asked for ended %q", state)
	}
	if row.kind == anUpgrade && row.fault == diskTaken {
		x.turnedForRoom(report, state)
	}
	x.changesOnce(j)
	serves := labtest.From
	if row.kind == anUpgrade && state == "committed" || row.kind == aRollback && state != "committed" {
		serves = labtest.To
	}
	// A server that had no room for a while may be on its way up again.
	if err := k3s.Wait(x.t.Context(), x.n); err != nil {
		x.t.Fatalf("K3s after the run: %v\n%s", err, x.story0())
	}
	x.serves(serves)
	x.tidy()
	c.same(x)
	cut := lineOf(row.kind, state, g, j, seen, x.serverInode())
	// Pods that were evicted stay beside those that came for them.
	x.judge(cut, report, serves == labtest.To || evicted)
	if x.t.Failed() {
		x.t.Logf("%s\n%s", x.story0(), x.guardLog())
		return
	}
	c.serves = serves
	switch {
	case serves == labtest.From:
		c.upgraded = nil
	case row.kind == anUpgrade:
		c.upgraded = j
	case cut != oracle.Cut{}:
		// The present came back, less what the restored server took; a second
		// line on top of that is more than the judge can read.
		c.spent = true
	}
	c.rest(x)
}

// turnedForRoom: without room for the copy K3s must not stay down; it goes back,
// says why, and leaves no half of a copy.
func (x *box) turnedForRoom(report *belay.Report, state string) {
	x.t.Helper()
	turn := report.Turn
	if state != "restored" || turn == nil || turn.Step == nil || *turn.Step != "n1.keep" || !strings.Contains(turn.Why, "space") {
		x.t.Errorf("without room for the copy it should turn at keep and say so: %s, %+v", state, turn)
	}
	if left := labtest.Must(x.t, x.n, "sh", "-c", "ls -d "+k3s.DataDir+"/server.belay-"+report.Run+"* 2>/dev/null; true"); left != "" {
		x.t.Errorf("half a copy is left: %s", left)
	}
}

// same demands that it is the cluster that it was when it was new.
func (c *crashLane) same(x *box) {
	x.t.Helper()
	if uid := clusterUID(x.t, x.n); uid != c.uid {
		x.t.Fatalf("another cluster: kube-system is %s, was %s\n%s\n%s", uid, c.uid, x.story0(), x.guardLog())
	}
}

// cutPower begins the run, kills the whole node at the row's place, boots it,
// and demands that K3s is up without anybody's help, as the cluster it was.
func (c *crashLane) cutPower(x *box, row crashRow, g given, seen *after) {
	x.t.Helper()
	known := x.runs()
	p, err := x.b.Start(x.t.Context(), g.args...)
	if err != nil {
		x.t.Fatal(err)
	}
	done := make(chan belay.Result, 1)
	go func() {
		r, _ := p.Wait()
		done <- r
	}()
	x.ended = done
	event := "intent"
	if row.moment == "done" {
		event = "outcome"
	}
	last := x.reached(known, g, event, "n1."+row.step)
	if row.moment == inside {
		kind := row.step[strings.LastIndex(row.step, ".")+1:]
		if kind == "put-back" || kind == "restore" {
			x.waitForMarker(60 * time.Second)
		}
		delay := time.Duration(row.rng(c.seed).Int64N(int64(usually[kind])))
		time.Sleep(delay) // not a condition: the moment is the test
		x.t.Logf("the power goes %s into %s", delay.Round(time.Millisecond), row.step)
	}
	if err := x.n.PowerCut(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	if r := x.end(waitForADeath); r.Code != belay.Killed {
		x.t.Logf("the run was over before the power went: %s", clip(r.String(), 500))
	}
	seen.booted = time.Now()
	if err := x.n.Boot(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	if err := k3s.Wait(x.t.Context(), x.n); err != nil {
		x.t.Fatalf("K3s did not come up by itself: %v\n%s\n%s", err, x.story0(), x.guardLog())
	}
	x.t.Logf("the power went at %s; K3s is up %s after it came back", last, time.Since(seen.booted).Round(100*time.Millisecond))
	x.offer(release.Default())
	c.same(x)
}

// runs are the names of the runs that there are.
func (x *box) runs() []string {
	x.t.Helper()
	return strings.Fields(labtest.Must(x.t, x.n, "sh", "-c", "ls "+belay.State+"/runs 2>/dev/null; true"))
}

// reached spins until the journal of this run holds a record, and gives it: a
// process in the node would tell it too late.
func (x *box) reached(known []string, g given, event, step string) belay.Record {
	x.t.Helper()
	dir, err := x.n.HostPath(belay.State + "/runs")
	if err != nil {
		x.t.Fatal(err)
	}
	size := int64(-1)
	for end := time.Now().Add(150 * time.Second); ; time.Sleep(300 * time.Microsecond) {
		select {
		case r := <-x.ended:
			// A commit or release may be the end of it, too.
			x.ended <- r
			if j := x.journal(); j.Count(event, step) > 0 && len(j) > g.records {
				return j.Last()
			}
			x.t.Fatalf("it ended before %s of %s: %s\n%s", event, step, clip(r.String(), 3000), x.story0())
		default:
		}
		if time.Now().After(end) {
			x.t.Fatalf("no %s of %s within 150 s\n%s", event, step, x.story0())
		}
		path := dir + "/" + g.open + "/journal"
		if g.open == "" {
			if path = newRun(dir, known); path == "" {
				continue
			}
		}
		info, err := os.Stat(path)
		if err != nil || info.Size() == size {
			continue
		}
		size = info.Size()
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		j, err := belay.ReadJournal(text)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, r := range j[min(g.records, len(j)):] {
			if r.Is(event, step) {
				return j.Last()
			}
		}
	}
}

// newRun is the journal of the run that was not known, or empty.
func newRun(dir string, known []string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			return dir + "/" + e.Name() + "/journal"
		}
	}
	return ""
}

// fillDisk kills Belay before the step, fills the disk and goes on. The run
// ends there or waits for a human; K3s is down in the second case only, and as
// soon as there is room somebody may go on.
func (c *crashLane) fillDisk(x *box, row crashRow, g given) {
	x.t.Helper()
	is := "intent n1." + row.step
	x.diesAfter(c.script(row.kind).at(x.t, is), is, g.args...)
	taken := ""
	if row.fault == diskTaken {
		taken = "rm " + k3s.DataDir + "/.belay-reserve-*"
	}
	// Room for some records is left, and for a server that runs; none for a copy.
	labtest.Must(x.t, x.n, "sh", "-ec", taken+`
		room=$(($(stat -f -c '%a*%S' /var/lib) - 512*1024)); fallocate -l $room /var/lib/fill`)
	r, err := x.b.Run(x.t.Context(), "resume")
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Logf("belay resume on a full disk: exit %d after %s: %s", r.Code, r.Took.Round(100*time.Millisecond), clip(r.Refusal, 300))
	if !slices.Contains([]int{0, 3, 4}, r.Code) {
		x.t.Errorf("exit %d on a full disk is neither an end nor a run that is left open: %s", r.Code, clip(r.String(), 3000))
	}
	state, err := k3s.Show(x.t.Context(), x.n)
	if err != nil {
		x.t.Fatal(err)
	}
	// It may fall and be started again while there is no room; it may not be left down.
	if (state.ActiveState == "inactive" || state.ActiveState == "failed") && r.Code != 4 {
		x.t.Errorf("exit %d, and K3s is %s\n%s", r.Code, state.ActiveState, x.story0())
	}
	labtest.Must(x.t, x.n, "rm", "/var/lib/fill")
}

// script is what a run of a kind journals, as far as a row needs it. Nothing is
// asked in a restore before its start.
func (c *crashLane) script(kind runKind) script {
	switch kind {
	case anUpgrade:
		return c.up
	case aPutBack:
		return c.back
	}
	s := script{"open"}
	for _, step := range restoreSteps {
		s = append(s, "intent n1."+step, "outcome n1."+step)
	}
	return s
}

// finished goes on with a run until it has ended, and gives its report.
func (x *box) finished(command string) (*belay.Report, belay.Journal) {
	x.t.Helper()
	if j := x.journal(); j.Last().Event == "end" && j.Last().State != "needs-human" {
		return x.run(0, "report").Report, j
	}
	r, err := x.b.Run(x.t.Context(), command)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Logf("belay %s: exit %d after %s", command, r.Code, r.Took.Round(100*time.Millisecond))
	j := x.journal()
	end := j.Last()
	code, known := map[string]int{"committed": 0, "unchanged": 3, "restored": 3}[end.State]
	if asked(j) && end.State != "committed" {
		code = 0
	}
	if end.Event != "end" || !known || r.Code != code || r.Report == nil {
		x.t.Fatalf("it ended %q with exit %d: %s\n%s", end.State, r.Code, clip(r.String(), 3000), x.story0())
	}
	return r.Report, j
}

// changesOnce demands that no change that cannot be seen to be there already is
// made twice in a run, however often the node died.
func (x *box) changesOnce(j belay.Journal) {
	x.t.Helper()
	for _, step := range []string{"n1.swap", "n1.restore", "n1.back.put-back"} {
		made := false
		for _, r := range j {
			switch {
			case r.Is("outcome", step) && r.OK, r.Is("probed", step) && r.State == "done":
				made = true
			case r.Is("intent", step) && made:
				x.t.Errorf("%s was done, and begun again:\n%s", step, j)
			}
		}
	}
}

// lineOf says where the kept line of writes ends and where it goes on. ends is
// the inode of `server` at the end of the run.
func lineOf(kind runKind, state string, g given, j belay.Journal, seen after, ends int) oracle.Cut {
	forward := first(j, "n1.start")
	if seen.is != seen.was && !seen.booted.IsZero() {
		forward = earlier(forward, seen.booted) // the boot finished it, and K3s came up on it
	}
	restores := kind == aRollback || kind == aRestore
	var cut oracle.Cut
	switch {
	case restores && state == "committed":
		cut.Stop, cut.Stopped, cut.Back = g.left.At, g.at.At, forward
	case restores && forward.IsZero(), kind == anUpgrade && ends == seen.was:
		// Nothing but the present ever served.
	default:
		// The line that came back is the one that was stopped last.
		if r, ok := j.Find("intent", "n1.stop"); ok {
			cut.Stop = r.At
		}
		for _, event := range []string{"probed", "outcome"} {
			if r, ok := j.Find(event, "n1.stop"); ok && r.At.After(cut.Stop) {
				cut.Stopped = r.At
			}
		}
		cut.Back = first(j, "n1.back.start")
		// Or the node had it back by itself when it booted: for a restore that
		// is the `server` of before, else the other one.
		if !seen.booted.IsZero() && restores == (seen.is == seen.was) {
			cut.Back = earlier(cut.Back, seen.booted)
		}
	}
	return cut
}

// first is when a step was begun for the first time; zero if never.
func first(j belay.Journal, step string) time.Time {
	for _, r := range j {
		if r.Is("intent", step) {
			return r.At
		}
	}
	return time.Time{}
}

// earlier of two moments, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
