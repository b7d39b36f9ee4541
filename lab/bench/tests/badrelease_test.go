package tests

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// badRelease makes one under the target's tag.
func badRelease(t *testing.T, kind bad.Kind, after time.Duration) release.Dir {
	t.Helper()
	return badReleaseOf(t, bad.Spec{Kind: kind, Tag: labtest.To, After: after})
}

func badReleaseOf(t *testing.T, spec bad.Spec) release.Dir {
	t.Helper()
	good, err := release.Default().Binary(spec.Tag)
	if err != nil {
		t.Fatal(err)
	}
	dir := release.Dir(t.TempDir())
	if err := bad.Make(t.Context(), spec, good, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goesBackByItself upgrades to a bad release and demands that it is caught and
// undone without anybody's help, exactly.
func goesBackByItself(t *testing.T, kind bad.Kind, after, soak time.Duration) (*box, belay.Result) {
	t.Helper()
	return goesBackFrom(t, badRelease(t, kind, after), soak)
}

func goesBackFrom(t *testing.T, dir release.Dir, soak time.Duration) (*box, belay.Result) {
	t.Helper()
	x := newBox(t, lab.Options{})
	x.offer(dir)
	x.witness()
	r := x.run(3, "upgrade", "--to", labtest.To, "--soak", fmt.Sprintf("%ds", int(soak.Seconds())), "--yes")
	if r.Report.State() != "restored" || r.Report.Turn == nil || r.Report.Turn.Asked {
		t.Fatalf("the report of a way back by itself: %s", clip(r.Stdout, 4000))
	}
	t.Logf("turned at: %s", r.Report.Turn.Why)
	t.Logf("verdict: %s API gap %s", r.Report.Verdict, r.Report.API.Sentence())
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
	return x, r
}

// TestReleaseThatIsNeverReady takes as long as Belay gives a start.
func TestReleaseThatIsNeverReady(t *testing.T) {
	t.Parallel()
	_, r := goesBackByItself(t, bad.NeverReady, 0, 5*time.Second)
	turn := r.Report.Turn
	if turn.Step == nil || *turn.Step != "n1.start" {
		t.Errorf("it should turn at the start: %+v", turn)
	}
	if !strings.Contains(turn.Why, "k3s.service") || !strings.Contains(turn.Why, "not ready") {
		t.Errorf("the cause is not named: %s", turn.Why)
	}
}

// TestReleaseThatDies is killed some seconds after it was ready, before the
// soak is over.
func TestReleaseThatDies(t *testing.T) {
	t.Parallel()
	_, r := goesBackByItself(t, bad.DiesAfter, 12*time.Second, 60*time.Second)
	noByGate(t, r.Report, "invocation", "k3s.service")
}

// TestReleaseThatDoesNotStart ends at once, again and again.
func TestReleaseThatDoesNotStart(t *testing.T) {
	t.Parallel()
	_, r := goesBackByItself(t, bad.NoStart, 0, 5*time.Second)
	turnsAtStart(t, r)
}

// TestReleaseThatRefusesAKey: the box's own config.yaml has one that the
// target knows no longer.
func TestReleaseThatRefusesAKey(t *testing.T) {
	t.Parallel()
	dir := badReleaseOf(t, bad.Spec{Kind: bad.RefusesKey, Tag: labtest.To, Key: "disable-helm-controller"})
	_, r := goesBackFrom(t, dir, 5*time.Second)
	turnsAtStart(t, r)
}

func turnsAtStart(t *testing.T, r belay.Result) {
	t.Helper()
	if step := r.Report.Turn.Step; step == nil || *step != "n1.start" {
		t.Errorf("it should turn at the start: %+v", r.Report.Turn)
	}
	if !strings.Contains(r.Report.Turn.Why, "k3s.service") {
		t.Errorf("the cause is not named: %s", r.Report.Turn.Why)
	}
}

// TestReleaseWithAnEmptyDatastore is green in everything; only who the cluster
// is gives it away.
func TestReleaseWithAnEmptyDatastore(t *testing.T) {
	t.Parallel()
	dir := badRelease(t, bad.EmptyDatastore, 0)
	x := newBox(t, lab.Options{})
	x.offer(dir)
	x.witness()
	r := x.run(3, "upgrade", "--to", labtest.To, "--soak", "5s", "--yes")
	noByGate(t, r.Report, "identity", "kube-system")
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
}

// TestTheOldCannotReadWhatTheNewWrote: a way back that left the data in place
// would leave K3s down.
func TestTheOldCannotReadWhatTheNewWrote(t *testing.T) {
	t.Parallel()
	old := badReleaseOf(t, bad.Spec{Kind: bad.RefusesNewer, Tag: labtest.From})
	dir := badReleaseOf(t, bad.Spec{Kind: bad.DiesAfter, Tag: labtest.To, After: 12 * time.Second, Newer: true})
	x := newBox(t, lab.Options{})
	swap(t.Context(), t, x.n, old, labtest.From)
	if err := k3s.Wait(t.Context(), x.n); err != nil {
		t.Fatal(err)
	}
	x.settle()
	x.offer(dir)
	x.witness()
	r := x.run(3, "upgrade", "--to", labtest.To, "--soak", "60s", "--yes")
	noByGate(t, r.Report, "invocation", "k3s.service")
	x.servesFrom(old, labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
	// The mark was there, and it is what the old one would have stumbled over.
	labtest.Must(t, x.n, "sh", "-ec", "ls "+k3s.DataDir+"/server*/db/lab-newer; test ! -e "+k3s.DataDir+"/server/db/lab-newer")
}

// TestReleaseWithoutKubelet: everything that people look at is green at the
// moment of the verdict.
func TestReleaseWithoutKubelet(t *testing.T) {
	t.Parallel()
	dir := badRelease(t, bad.KubeletNever, 0)
	x := newBox(t, lab.Options{})
	x.offer(dir)
	x.witness()
	look := watchLights(t.Context(), x.n)
	r := x.run(3, "upgrade", "--to", labtest.To, "--soak", "5s", "--yes")
	seen := look.stop()
	verdict := noByGate(t, r.Report, "kubelet", "lease")
	t.Logf("turned at: %s", r.Report.Turn.Why)
	green, last := 0, light{}
	ready, _ := x.journal().Find("outcome", "n1.start")
	for _, l := range seen {
		if l.at.After(ready.At) && l.at.Before(verdict.At) {
			if last = l; l.green() {
				green++
			}
		}
	}
	t.Logf("%d of %d looks between READY and the verdict were green; the last, %s before it: %+v",
		green, len(seen), verdict.At.Sub(last.at).Round(10*time.Millisecond), last)
	if !last.green() || verdict.At.Sub(last.at) > 5*time.Second {
		t.Errorf("at the verdict systemd, /readyz and the Node's Ready condition should be green; last seen: %+v", last)
	}
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
}

// noByGate demands that exactly this gate said no on the way forward, with
// words that tell a person what it is.
func noByGate(t *testing.T, r *belay.Report, gate, words string) belay.GateReport {
	t.Helper()
	for _, g := range r.Gates {
		if g.Back || g.Verdict == "yes" {
			continue
		}
		if g.Name != gate || g.Verdict != "no" {
			t.Errorf("gate %s said %s: %s; wanted a no of %s", g.Name, g.Verdict, g.Says, gate)
		}
		if !strings.Contains(g.Says, words) || !strings.Contains(r.Turn.Why, gate) {
			t.Errorf("the cause is not named: %q, %q", g.Says, r.Turn.Why)
		}
		return g
	}
	t.Fatalf("no gate said no: %+v", r.Gates)
	return belay.GateReport{}
}

// light is what people look at, at one moment.
type light struct {
	at                    time.Time
	unit                  string
	readyz, ready, looked bool
}

func (l light) green() bool { return l.unit == "active" && l.readyz && l.ready }

func (l light) String() string {
	return fmt.Sprintf("unit %s, /readyz ok %v, Node Ready %v", l.unit, l.readyz, l.ready)
}

// lights looks again and again, from outside of Belay.
type lights struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	seen   []light
}

func watchLights(ctx context.Context, n *node.Node) *lights {
	ctx, cancel := context.WithCancel(ctx)
	w := &lights{cancel: cancel}
	w.done.Go(func() {
		for ctx.Err() == nil {
			l := light{}
			if s, err := k3s.Show(ctx, n); err == nil {
				l.unit = s.ActiveState
			}
			_, err := k3s.Readyz(ctx, n)
			l.readyz = err == nil
			l.ready = k3s.Ready(ctx, n)
			l.at = time.Now() // when all of it was seen
			w.seen = append(w.seen, l)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	return w
}

func (w *lights) stop() []light {
	w.cancel()
	w.done.Wait()
	return w.seen
}
