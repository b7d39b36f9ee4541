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

// badReleaseOf makes one.
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

// badRelease is a row of the matrix: a release that Belay has to catch and to
// undo without anybody's help.
type badRelease struct {
	spec   bad.Spec // of the target, but for its tag
	before bad.Kind // what it comes from; empty: a good release
	soak   string

	step  string // where it turns
	gate  string // the gate that says no; empty: the step itself fails
	words string // what names the cause to a person
	// green: at the verdict everything that people look at is green.
	green bool
	// leaves is a command in the node that shows that the fault was there.
	leaves string

	shown place // without --all; none: another row has this fault in it
}

// lost shows, after the way back, what the bad release had put below its
// server directory: it is in the abandoned one, and only there.
func lost(name string) string {
	return "ls -d " + k3s.DataDir + "/server.*/" + name + "; test ! -e " + k3s.DataDir + "/server/" + name
}

var badReleases = []badRelease{
	// It takes as long as Belay gives a start.
	{spec: bad.Spec{Kind: bad.NeverReady}, step: "n1.start", words: "not ready when the deadline passed", shown: etcdSSH},
	// Killed some seconds after it was ready, before the soak is over.
	{spec: bad.Spec{Kind: bad.DiesAfter, After: 12 * time.Second}, soak: "60s", step: "n1.soak", gate: "invocation", words: "k3s.service"},
	{spec: bad.Spec{Kind: bad.KubeletNever}, step: "n1.gate", gate: "kubelet", words: "lease", green: true, shown: sqliteLocal},
	// It ends at once, again and again.
	{spec: bad.Spec{Kind: bad.NoStart}, step: "n1.start", words: "this release does not start", shown: etcdLocal},
	// The box's own config.yaml has a key that the target knows no longer.
	{spec: bad.Spec{Kind: bad.RefusesKey, Key: "disable-helm-controller"}, step: "n1.start", words: "-disable-helm-controller", shown: sqliteSSH},
	// Green in everything; only who the cluster is gives it away.
	{spec: bad.Spec{Kind: bad.EmptyDatastore}, step: "n1.gate", gate: "identity", words: "the UID of kube-system was", leaves: lost("db.lost"), shown: etcdLocal},
	// The old release cannot read what the new one wrote: a way back that left
	// the data in place would leave K3s down.
	{spec: bad.Spec{Kind: bad.DiesAfter, After: 12 * time.Second, Newer: true}, before: bad.RefusesNewer, soak: "60s",
		step: "n1.soak", gate: "invocation", words: "k3s.service", leaves: lost("db/lab-newer"), shown: sqliteLocal},
}

func (row badRelease) name() string {
	if row.before != "" {
		return fmt.Sprintf("%s, from %s", row.spec.Kind, row.before)
	}
	return string(row.spec.Kind)
}

func (row badRelease) goesBackByItself(t *testing.T, p place) {
	row.goesBackTo(t, p, labtest.From, labtest.To)
}

// goesBackTo is goesBackByItself between two releases.
func (row badRelease) goesBackTo(t *testing.T, p place, from, to string) {
	x := newBoxOf(t, from, lab.Options{Datastore: p.datastore}, p.link)
	old := release.Default()
	if row.before != "" {
		old = badReleaseOf(t, bad.Spec{Kind: row.before, Tag: from})
		swap(t.Context(), t, x.n, old, from)
		if err := k3s.Wait(t.Context(), x.n); err != nil {
			t.Fatal(err)
		}
		x.settle()
	}
	row.spec.Tag = to
	x.offer(badReleaseOf(t, row.spec))
	cluster := clusterUID(t, x.n)
	x.witness()
	if row.gate == "identity" {
		x.follower.MeetsAnotherCluster()
	}
	var look *lights
	if row.green {
		look = watchLights(t.Context(), x.n)
	}
	soak := row.soak
	if soak == "" {
		soak = "5s"
	}
	r := x.run(3, "upgrade", "--to", to, "--soak", soak, "--yes")
	if r.Report.State() != "restored" || r.Report.Turn == nil || r.Report.Turn.Asked {
		t.Fatalf("the report of a way back by itself: %s", clip(r.Stdout, 4000))
	}
	t.Logf("turned at: %s", r.Report.Turn.Why)
	t.Logf("verdict: %s API gap %s", r.Report.Verdict, r.Report.API.Sentence())
	row.named(t, r.Report, cluster)
	if row.green {
		x.wereGreen(look.stop(), noByGate(t, r.Report, row.gate, row.words).At)
	}
	x.servesFrom(old, from)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
	if lost := r.Report.Lost; lost != nil && lost.AbandonedRevision != nil && *lost.AbandonedRevision > lost.KeptRevision {
		x.gone(lost.KeptRevision + 1)
	}
	if row.leaves != "" {
		labtest.Must(t, x.n, "sh", "-ec", row.leaves)
	}
}

// named demands that the report names the cause, and no other.
func (row badRelease) named(t *testing.T, r *belay.Report, cluster string) {
	t.Helper()
	if step := r.Turn.Step; step == nil || *step != row.step {
		t.Errorf("it should turn at %s: %+v", row.step, r.Turn)
	}
	if row.gate != "" {
		// Who the cluster was is what the gate knows it by.
		if g := noByGate(t, r, row.gate, row.words); row.gate == "identity" && !strings.Contains(g.Says, "was "+cluster) {
			t.Errorf("it does not name the cluster %s: %s", cluster, g.Says)
		}
		return
	}
	if !strings.Contains(r.Turn.Why, "k3s.service") || !strings.Contains(r.Turn.Why, row.words) {
		t.Errorf("the cause %q is not named: %s", row.words, r.Turn.Why)
	}
}

// wereGreen demands that systemd, /readyz and the Node were green to people
// when the verdict was given.
func (x *box) wereGreen(seen []light, verdict time.Time) {
	x.t.Helper()
	green, last := 0, light{}
	ready, _ := x.journal().Find("outcome", "n1.start")
	for _, l := range seen {
		if l.at.After(ready.At) && l.at.Before(verdict) {
			if last = l; l.green() {
				green++
			}
		}
	}
	x.t.Logf("%d of %d looks between READY and the verdict were green; the last, %s before it: %+v",
		green, len(seen), verdict.Sub(last.at).Round(10*time.Millisecond), last)
	if !last.green() || verdict.Sub(last.at) > 5*time.Second {
		x.t.Errorf("at the verdict systemd, /readyz and the Node's Ready condition should be green; last seen: %+v", last)
	}
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
