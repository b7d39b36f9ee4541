package tests

import (
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestK3sStartedByHandBetweenKeepAndSwap: the copy that was kept is older than
// what an impatient administrator let clients write. It is not used, neither
// by the upgrade nor by the way back from it.
func TestK3sStartedByHandBetweenKeepAndSwap(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	x.needCrash()
	script, _ := x.scripts()
	x.witness()
	x.diesAfter(script.at(t, "outcome n1.keep"), "outcome n1.keep", "upgrade", "--to", labtest.To, "--soak", "10m", "--yes")
	stale := x.journal()
	if err := k3s.Start(t.Context(), x.n); err != nil {
		t.Fatal(err)
	}
	attemptsGrow(t, x.log, oracle.Acknowledged) // what a stale copy would lose
	byHand := time.Now()

	p, err := x.b.Start(t.Context(), "resume")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan belay.Result, 1)
	go func() {
		r, _ := p.Wait()
		done <- r
	}()
	x.ended = done
	x.untilSoak()
	j := x.journal()
	if n := keeps(j); n != 2 {
		t.Errorf("the server directory was kept %d times, not twice:\n%s", n, j)
	}
	last, _ := j.Find("outcome", "n1.keep")
	first, _ := stale.Find("outcome", "n1.keep")
	if !last.At.After(byHand) || !last.OK {
		t.Errorf("the copy that the run goes on with was made at %s, the writes by hand ended at %s", last.At, byHand)
	}
	if string(first.Proof) == string(last.Proof) {
		t.Error("the second copy has the proof of the first")
	}
	x.serves(labtest.To)
	x.followed()

	// The way back leads to the second copy: the writes by hand are in it.
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := x.end(120 * time.Second)
	x.check(r, 3, "resume", "(Ctrl-C)")
	x.serves(labtest.From)
	x.tidy()
	cut := cutOf(x.journal())
	if cut.Stop.Before(byHand) {
		t.Errorf("the last stop, %s, was before the writes by hand ended at %s", cut.Stop, byHand)
	}
	x.judge(cut, r.Report, false)
}

// keeps counts copies that were made, whether their outcome was heard or found.
func keeps(j belay.Journal) int {
	n := 0
	for _, r := range j {
		if r.Is("outcome", "n1.keep") && r.OK {
			n++
		}
	}
	return n
}

// untilSoak waits for a soak of this process, not of one that was killed.
func (x *box) untilSoak() {
	x.t.Helper()
	labtest.Until(x.t, 150*time.Second, "the soak", func() bool {
		select {
		case r := <-x.ended:
			x.t.Fatalf("it ended before its soak: %s\n%s", clip(r.String(), 3000), x.story0())
		default:
		}
		run, err := x.b.LastRun(x.t.Context())
		if err != nil {
			return false
		}
		j, err := x.b.Journal(x.t.Context(), run)
		return err == nil && j.Last().Is("intent", "n1.soak")
	})
}

// TestDiskFullDuringBackup: the room that was there when the plan was made is
// gone before the backup. K3s is not touched.
func TestDiskFullDuringBackup(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{DiskMB: 1200})
	x.needCrash()
	before := take(t, x.c)
	life := x.life()
	script, _ := x.scripts()
	x.diesAfter(script.at(t, "outcome n1.stage"), "outcome n1.stage", "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	run := x.journal().Last().Run
	// Room for some records is left, none for a copy of the datastore.
	labtest.Must(t, x.n, "sh", "-ec", `room=$(($(stat -f -c '%a*%S' /var/lib) - 512*1024)); fallocate -l $room /var/lib/fill
		test $(du -s --block-size=1 `+k3s.DataDir+`/server/db | cut -f1) -gt $((2*512*1024))`)
	r := x.run(3, "resume")
	if r.Report.State() != "unchanged" || r.Report.Turn == nil || r.Report.Turn.Step == nil || *r.Report.Turn.Step != "n1.backup" {
		t.Fatalf("it should turn at backup: %s", clip(r.Stdout, 3000))
	}
	if !strings.Contains(r.Report.Turn.Why, "space") || len(r.Report.Next) == 0 {
		t.Errorf("the cause or the next step is not named: %s, %v", r.Report.Turn.Why, r.Report.Next)
	}
	labtest.Must(t, x.n, "rm", "/var/lib/fill")
	if now := x.life(); now != life {
		t.Errorf("K3s is %s, was %s", now, life)
	}
	x.serves(labtest.From)
	x.tidy()
	x.noSlot(run)
	if left := labtest.Must(t, x.n, "sh", "-c", "ls -d "+belay.NodeState+"/backups/"+run+"* 2>/dev/null; true"); left != "" {
		t.Errorf("half a backup is left: %s", left)
	}
	if diffs := oracle.Diff(before, take(t, x.c)); len(diffs) > 0 {
		t.Errorf("a full disk changed the cluster: %v", diffs)
	}
}

// TestDiskFullDuringKeep: the room that was reserved for the copy is taken
// away while Belay is dead. K3s must not stay down for it.
func TestDiskFullDuringKeep(t *testing.T) {
	t.Parallel()
	long(t) // without --all TestLabCrash does it
	x := newBox(t, lab.Options{DiskMB: 1200})
	x.needCrash()
	script, _ := x.scripts()
	x.witness()
	x.diesAfter(script.at(t, "outcome n1.stop"), "outcome n1.stop", "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	if s, err := k3s.Show(t.Context(), x.n); err != nil || s.ActiveState != "inactive" {
		t.Fatalf("K3s should be down: %+v, %v", s, err)
	}
	// Room for some records is left, none for a copy.
	labtest.Must(t, x.n, "sh", "-ec", `rm `+k3s.DataDir+`/.belay-reserve-*
		room=$(($(stat -f -c '%a*%S' /var/lib) - 512*1024)); fallocate -l $room /var/lib/fill
		test $(du -s --block-size=1 `+k3s.DataDir+`/server/db | cut -f1) -gt $((2*512*1024))`)
	r := x.run(3, "resume")
	if r.Report.State() != "restored" || r.Report.Turn == nil || r.Report.Turn.Step == nil || *r.Report.Turn.Step != "n1.keep" {
		t.Fatalf("it should turn at keep: %s", clip(r.Stdout, 3000))
	}
	if !strings.Contains(r.Report.Turn.Why, "space") {
		t.Errorf("the cause is not named: %s", r.Report.Turn.Why)
	}
	x.serves(labtest.From)
	labtest.Must(t, x.n, "rm", "/var/lib/fill")
	x.tidy()
	if left := labtest.Must(t, x.n, "sh", "-c", "ls -d "+k3s.DataDir+"/server.belay-* 2>/dev/null; true"); left != "" {
		t.Errorf("half a copy is left: %s", left)
	}
	x.judge(oracle.Cut{}, r.Report, false)
}
