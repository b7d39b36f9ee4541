package tests

import (
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// soaking begins an upgrade and returns in its soak, with the old version
// stopped and the new one serving for a while.
func (x *box) soaking() *belay.Process {
	x.t.Helper()
	return x.soakingTo(labtest.To)
}

// soakingTo is soaking for another release, and with more arguments.
func (x *box) soakingTo(tag string, more ...string) *belay.Process {
	x.t.Helper()
	args := append([]string{"upgrade", "--to", tag, "--soak", "10m", "--yes"}, more...)
	p, err := x.b.Start(x.t.Context(), args...)
	if err != nil {
		x.t.Fatal(err)
	}
	done := make(chan belay.Result, 1)
	go func() {
		r, _ := p.Wait()
		done <- r
	}()
	x.ended = done
	x.untilSoak()
	return p
}

// end waits for a program that was begun by soaking.
func (x *box) end(limit time.Duration) belay.Result {
	x.t.Helper()
	select {
	case r := <-x.ended:
		return r
	case <-time.After(limit):
		x.t.Fatalf("belay did not end within %s\n%s", limit, x.story0())
		return belay.Result{}
	}
}

// followed waits until the version that serves has taken more writes and the
// watcher has heard of one of them, and gives the revision where it stands.
func (x *box) followed() int64 {
	x.t.Helper()
	from := x.follower.Revision()
	if list, err := oracle.ReadLogFile(x.log); err == nil {
		for _, a := range list {
			from = max(from, a.Revision)
		}
	}
	attemptsGrow(x.t, x.log, oracle.Acknowledged)
	labtest.Until(x.t, 60*time.Second, "the watcher to hear of it", func() bool { return x.follower.Revision() > from })
	return x.follower.Revision()
}

// TestRollbackOfAKilledRun: kill -9 in the soak, then the command. A client of
// the new version is told to list again, instead of hanging in silence.
func TestRollbackOfAKilledRun(t *testing.T) {
	t.Parallel()
	long(t)
	newBox(t, lab.Options{}).goesBackWhenKilled()
}

func TestRollbackOfAKilledRunOnEtcd(t *testing.T) {
	t.Parallel()
	long(t)
	newBox(t, lab.Options{Datastore: k3s.Etcd}).goesBackWhenKilled()
}

func (x *box) goesBackWhenKilled() {
	t := x.t
	x.witness()
	p := x.soaking()
	x.followed()
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := x.end(10 * time.Second); r.Code != belay.Killed {
		t.Fatalf("kill -9: %s", r)
	}
	seen := x.followed()
	r := x.run(0, "rollback")
	if r.Report.State() != "restored" || r.Report.Turn == nil || !r.Report.Turn.Asked {
		t.Errorf("the report of a rollback that was asked for: %+v", r.Report.Turn)
	}
	x.serves(labtest.From)
	x.tidy()
	lost := r.Report.Lost
	if lost == nil || !lost.Complete || len(lost.Objects) == 0 {
		t.Fatalf("the list of what was lost: %+v", lost)
	}
	if seen <= lost.KeptRevision {
		t.Fatalf("the watcher was at %d, the kept copy at %d: it shows nothing", seen, lost.KeptRevision)
	}
	v := x.judge(cutOf(x.journal()), r.Report, false)
	if v.Lost == 0 {
		t.Error("the oracle saw no write of the abandoned version")
	}
	x.gone(lost.KeptRevision+1, seen)
}

// gone demands that a watch from a revision of the abandoned line is told so,
// instead of hanging in silence.
func (x *box) gone(revisions ...int64) {
	x.t.Helper()
	for _, revision := range revisions {
		res, err := oracle.WatchFrom(x.t.Context(), x.c, revision, 10*time.Second)
		if err != nil || !res.Gone {
			x.t.Errorf("a watch from %d, a revision of the abandoned line, should get 410: %+v, %v", revision, res, err)
		}
	}
}

// TestCtrlCGoesBack: once, in the soak. The upgrade that was asked for did not
// happen, so the exit code is that of a way back by itself.
func TestCtrlCGoesBack(t *testing.T) {
	t.Parallel()
	long(t)
	x := newBox(t, lab.Options{})
	x.witness()
	p := x.soaking()
	x.followed()
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := x.end(120 * time.Second)
	x.check(r, 3, "upgrade", "(Ctrl-C)") // it did not do what it was asked
	if r.Report.State() != "restored" {
		t.Errorf("the report says %q", r.Report.State())
	}
	x.serves(labtest.From)
	x.tidy()
	if v := x.judge(cutOf(x.journal()), r.Report, false); v.Lost == 0 {
		t.Error("the oracle saw no write of the abandoned version")
	}
}
