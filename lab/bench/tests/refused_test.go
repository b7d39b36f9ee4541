package tests

import (
	"strings"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestRefusedBeforeTheStop: whatever is wrong with what is asked, K3s is not
// touched: the same process goes on. What a mirror does is in the matrix.
func TestRefusedBeforeTheStop(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	x.needCrash()
	before := take(t, x.c)
	untouched := func(t *testing.T, act func(*box)) {
		t.Helper()
		y := x.on(t)
		life := y.life()
		act(y)
		if now := y.life(); now != life {
			t.Errorf("K3s is %s, was %s", now, life)
		}
	}
	t.Run("a truncated backup", func(t *testing.T) { untouched(t, (*box).truncatedBackup) })
	t.Run("not confirmed", func(t *testing.T) {
		untouched(t, func(y *box) {
			if r := y.run(1, "upgrade", "--to", labtest.To); !strings.Contains(r.Refusal, "confirm") {
				t.Errorf("refused with %q", r.Refusal)
			}
		})
	})
	t.Run("a plan that was edited", func(t *testing.T) { untouched(t, (*box).editedPlan) })
	t.Run("a plan that is stale", func(t *testing.T) { untouched(t, (*box).stalePlan) })
	t.Run("a way back that does not fit", func(t *testing.T) { untouched(t, (*box).refusedBinary) })
	t.Run("two nodes", func(t *testing.T) { untouched(t, (*box).twoNodes) })
	t.Run("a run that is open", func(t *testing.T) { untouched(t, (*box).openRun) })
	for _, args := range [][]string{{"upgrade"}, {"upgrade", "--to", "v1.36+"}, {"nonsense"}, {"check", "--fail-on", "always"},
		{"plan", "--to", labtest.To, "--accept", "belay-disk-space"}, {"apply"}} {
		t.Run("usage: "+strings.Join(args, " "), func(t *testing.T) {
			untouched(t, func(y *box) { y.run(2, args...) })
		})
	}
	x.serves(labtest.From)
	x.tidy()
	x.story = nil
	if diffs := oracle.Diff(before, take(t, x.c)); len(diffs) > 0 {
		t.Errorf("refusals changed the cluster: %v", diffs)
	}
}

// noSlot: nothing executable of a release that was refused stays beside K3s.
func (x *box) noSlot(run string) {
	x.t.Helper()
	if res, err := x.n.Exec(x.t.Context(), "test", "-e", "/usr/local/bin/.k3s.belay-"+run); err != nil || res.Code == 0 {
		x.t.Errorf("the slot of a refused release is still there (%v)", err)
	}
}

// truncatedBackup kills Belay between the backup and its proof, and takes half
// of the stored datastore away. Records: open, then intent and outcome of
// fence, stage and backup.
func (x *box) truncatedBackup() {
	x.t.Helper()
	x.diesAfter(7, "outcome n1.backup", "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	run := x.journal().Last().Run
	labtest.Must(x.t, x.n, "sh", "-ec", `cd `+belay.NodeState+`/backups/`+run+`/datastore
		truncate -s $(($(stat -c %s state.db) / 2)) state.db`)
	r := x.run(3, "resume")
	if r.Report.State() != "unchanged" || r.Report.Turn.Step == nil || *r.Report.Turn.Step != "n1.prove-backup" {
		x.t.Errorf("it should turn at prove-backup: %s, %+v", r.Report.State(), r.Report.Turn)
	}
	x.tidy()
	x.noSlot(run)
}

// diesAfter runs the build that kills itself after a record, and demands that
// this record was what the test means.
func (x *box) diesAfter(record int, is string, args ...string) {
	x.t.Helper()
	p, err := x.b.StartToDieAfter(x.t.Context(), record, args...)
	if err != nil {
		x.t.Fatal(err)
	}
	r, err := p.Wait()
	if err != nil {
		x.t.Fatal(err)
	}
	x.check(r, belay.Killed, args...)
	last := x.journal().Last()
	if got := strings.TrimSpace(last.Event + " " + last.Step); got != is {
		x.t.Fatalf("it died after %q, the test means %q\n%s", got, is, x.journal())
	}
}

func (x *box) editedPlan() {
	x.t.Helper()
	x.run(0, "plan", "--to", labtest.To, "--soak", "90s", "-o", "/root/plan.yaml")
	labtest.Must(x.t, x.n, "sh", "-ec", "grep -q 'for: 90s' /root/plan.yaml; sed -i 's/for: 90s/for: 1s/' /root/plan.yaml")
	x.says(1, "the plan was edited after it was made", "belay plan --to TAG -o plan.yaml", "apply", "/root/plan.yaml")
}

func (x *box) stalePlan() {
	x.t.Helper()
	x.run(0, "plan", "--to", labtest.To, "-o", "/root/plan.yaml")
	labtest.Must(x.t, x.n, "sh", "-ec", "cp -p "+k3s.Config+" /root/config; echo '# touched' >>"+k3s.Config)
	r := x.run(1, "apply", "/root/plan.yaml")
	labtest.Must(x.t, x.n, "cp", "-p", "/root/config", k3s.Config)
	if !strings.Contains(r.Refusal, "the configuration on n1") || !r.Says("belay plan --to TAG -o plan.yaml") {
		x.t.Errorf("refused with %s", r)
	}
	// And it is the plan that was refused, not everything.
	x.run(0, "apply", "/root/plan.yaml", "--dry-run")
}

func (x *box) twoNodes() {
	x.t.Helper()
	const second = `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"}}`
	if err := x.n.PutString(x.t.Context(), "/root/n2.json", 0o600, second); err != nil {
		x.t.Fatal(err)
	}
	x.kubectl("create", "-f", "/root/n2.json")
	defer x.kubectl("delete", "node", "n2")
	for _, args := range [][]string{{"check", "--to", labtest.To}, {"upgrade", "--to", labtest.To, "--yes"}} {
		if r := x.run(1, args...); !r.Says("more-than-one-node") {
			x.t.Errorf("belay %v does not name the reason: %s", args, clip(r.String(), 3000))
		}
	}
}

// openRun: while one is open no second is begun, and what is open can be given
// up. Records: open, intent of fence.
func (x *box) openRun() {
	x.t.Helper()
	x.diesAfter(3, "outcome n1.fence", "upgrade", "--to", labtest.To, "--soak", "2s", "--yes")
	first := x.journal().Last().Run
	r := x.run(1, "upgrade", "--to", labtest.To, "--soak", "3s", "--yes")
	// The rule that sees an unfinished run may speak first.
	if !strings.Contains(r.Refusal, first) && !r.Says("run-unfinished") {
		x.t.Errorf("refused with %q, without naming %s", r.Refusal, first)
	}
	if got := x.run(0, "rollback").Report; got.State() != "unchanged" {
		x.t.Errorf("given up before the stop: %s", got.State())
	}
	x.tidy()
}
