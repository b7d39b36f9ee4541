package tests

import (
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/clock"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestClockSetBack: somebody sets the clock of the machine on which Belay runs.
// Far enough back nothing is trusted and nothing begun; in the middle of a run
// it changes the times that are told, and nothing else.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	x := newBoxOver(t, lab.Options{}, overSSH)
	c, err := clock.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x.b.Env = c.Env()
	set := func(off time.Duration) {
		t.Helper()
		if err := c.Set(off); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("by more than the age of the certificates", func(t *testing.T) {
		y := x.on(t)
		life := y.life()
		set(-400 * 24 * time.Hour)
		r := y.run(1, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
		if !strings.Contains(r.Refusal, "clock") && !r.Says("certificate") {
			t.Errorf("refused with %q\n%s", r.Refusal, clip(r.String(), 3000))
		}
		if now := y.life(); now != life {
			t.Errorf("K3s is %s, was %s", now, life)
		}
	})
	// Not by more than the cluster's age: its certificates would not hold yet.
	t.Run("by 45 s, in the soak", func(t *testing.T) {
		long(t)
		y := x.on(t)
		set(0)
		y.witness()
		p, err := y.b.Start(t.Context(), "upgrade", "--to", labtest.To, "--soak", "60s", "--yes")
		if err != nil {
			t.Fatal(err)
		}
		y.waitFor("", "intent", "n1.soak", 150*time.Second)
		set(-45 * time.Second)
		r, err := p.Wait()
		if err != nil {
			t.Fatal(err)
		}
		set(0)
		y.check(r, 0, "upgrade", "(clock set back)")
		if r.Report.State() != "committed" {
			t.Errorf("the report says %q", r.Report.State())
		}
		y.serves(labtest.To)
		y.tidy()
		y.judge(oracle.Cut{}, r.Report, true)
		y.run(0, "journal", "verify", r.Report.Run)
		// What was done last is still the last run.
		if refused := y.run(1, "rollback"); !strings.Contains(refused.Refusal, r.Report.Run) {
			t.Errorf("rollback after the commit: %q", refused.Refusal)
		}
	})
}
