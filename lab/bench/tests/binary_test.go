package tests

import (
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// Two releases of one minor, with the same minors of etcd, kine and containerd.
const (
	patchFrom = "v1.36.3+k3s1"
	patchTo   = "v1.36.3+k3s2"
)

// wentBackBy demands that the report and the journal say which class it was.
func (x *box) wentBackBy(r *belay.Report, class string, turns ...string) {
	x.t.Helper()
	if r.State() != "restored" || r.WentBackBy == nil || *r.WentBackBy != class {
		x.t.Fatalf("it should have gone back by class %s: %s", class, clip(x.story0(), 4000))
	}
	var reached []string
	for _, record := range x.journal() {
		if record.Event == "turn" {
			reached = append(reached, record.Reached)
		}
	}
	if strings.Join(reached, " ") != strings.Join(turns, " ") {
		x.t.Errorf("turns %v, wanted %v", reached, turns)
	}
}

// noCopy demands that the stopped copy went with the end of the run.
func (x *box) noCopy() {
	x.t.Helper()
	if left := labtest.Must(x.t, x.n, "sh", "-c", "ls -d "+k3s.DataDir+"/server.belay-* 2>/dev/null; true"); left != "" {
		x.t.Errorf("a copy is left: %s", left)
	}
}

// TestWayBackBinary: killed in the soak and taken back. Every write is there,
// those that the new version took as well.
func TestWayBackBinary(t *testing.T) {
	t.Parallel()
	need(t, patchFrom, patchTo)
	newBoxOf(t, patchFrom, lab.Options{}, "").rolledBackByBinary()
}

func TestWayBackBinaryOnEtcd(t *testing.T) {
	t.Parallel()
	long(t)
	need(t, patchFrom, patchTo)
	newBoxOf(t, patchFrom, lab.Options{Datastore: k3s.Etcd}, "").rolledBackByBinary()
}

func (x *box) rolledBackByBinary() {
	t := x.t
	x.witness()
	p := x.soakingTo(patchTo, "--way-back", "binary")
	x.followed()
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := x.end(10 * time.Second); r.Code != belay.Killed {
		t.Fatalf("kill -9: %s", r)
	}
	x.followed()
	r := x.run(0, "rollback")
	x.wentBackBy(r.Report, "binary", "started")
	if r.Report.Lost != nil {
		t.Errorf("it lists something as lost: %+v", r.Report.Lost)
	}
	x.serves(patchFrom)
	x.tidy()
	x.noCopy()
	x.judge(oracle.Cut{}, r.Report, false)
}

// TestWayBackBinaryByItself: a release that never gets ready, though clients
// that do not ask may write; what they wrote stays.
func TestWayBackBinaryByItself(t *testing.T) {
	t.Parallel()
	long(t)
	need(t, patchFrom, patchTo)
	x := newBoxOf(t, patchFrom, lab.Options{}, "")
	x.offer(badReleaseOf(t, bad.Spec{Kind: bad.NeverReady, Tag: patchTo}))
	x.witness()
	r := x.run(3, "upgrade", "--to", patchTo, "--soak", "5s", "--yes", "--way-back", "binary")
	x.wentBackBy(r.Report, "binary", "started")
	x.serves(patchFrom)
	x.tidy()
	x.noCopy()
	x.judge(oracle.Cut{}, r.Report, false)
}

// TestPowerCutOfBinary: the node was told to go back and dies before anything
// was done. The boot swaps the binary back, though the new version has run and
// K3s on it has written; `resume` asks the gates.
func TestPowerCutOfBinary(t *testing.T) {
	t.Parallel()
	long(t)
	need(t, patchFrom, patchTo)
	x := newBoxOf(t, patchFrom, lab.Options{}, "")
	x.needCrash()
	x.witness()
	p := x.soakingTo(patchTo, "--way-back", "binary")
	x.followed()
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.end(10 * time.Second)
	x.followed()
	x.diesAfter(4, "turn", "rollback") // resumed, note, measured, turn
	if err := x.n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k3s.Wait(t.Context(), x.n); err != nil {
		t.Fatalf("K3s did not come up by itself: %v\n%s\n%s", err, x.story0(), x.guardLog())
	}
	x.serves(patchFrom)
	r := x.run(0, "resume")
	x.wentBackBy(r.Report, "binary", "started")
	x.serves(patchFrom)
	x.tidy()
	x.noCopy()
	x.judge(oracle.Cut{}, r.Report, false)
}

// TestKeepFollowsBinary: the old release refuses the data that the new one
// left. The stopped copy follows in the same run, and the report lists what
// that lost.
func TestKeepFollowsBinary(t *testing.T) {
	t.Parallel()
	need(t, patchFrom, patchTo)
	x := newBoxOf(t, patchFrom, lab.Options{}, "")
	old := badReleaseOf(t, bad.Spec{Kind: bad.RefusesNewer, Tag: patchFrom})
	swap(t.Context(), t, x.n, old, patchFrom)
	if err := k3s.Wait(t.Context(), x.n); err != nil {
		t.Fatal(err)
	}
	x.settle()
	x.offer(badReleaseOf(t, bad.Spec{Kind: bad.DiesAfter, After: 12 * time.Second, Newer: true, Tag: patchTo}))
	x.witness()
	r := x.run(3, "upgrade", "--to", patchTo, "--soak", "60s", "--yes", "--way-back", "binary")
	x.wentBackBy(r.Report, "keep", "started", "swapped-back")
	if fall := r.Report.Fall; fall == nil || fall.Step == nil || *fall.Step != "n1.back.start" {
		t.Errorf("why the stopped copy followed: %+v", fall)
	}
	t.Logf("verdict: %s API gap %s", r.Report.Verdict, r.Report.API.Sentence())
	x.servesFrom(old, patchFrom)
	x.tidy()
	if v := x.judge(cutOf(x.journal()), r.Report, false); v.Lost == 0 {
		t.Error("the oracle saw no write of the abandoned version")
	}
}

// refusedBinary: another minor is no way back of class binary, and nothing is
// touched. On real releases nothing else can be seen of the class.
func (x *box) refusedBinary() {
	next := "belay plan --to " + labtest.To
	x.says(1, "Kubernetes goes from", next, "plan", "--to", labtest.To, "--way-back", "binary")
	x.says(1, "no way back of class binary", next, "upgrade", "--to", labtest.To, "--yes", "--way-back", "binary")
}
