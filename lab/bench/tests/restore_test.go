package tests

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestRestoreOfABackup: a backup is made live again, is given up by a Ctrl-C
// with the present back as it was, and restored again for good.
func TestRestoreOfABackup(t *testing.T) {
	t.Parallel()
	for _, d := range []k3s.Datastore{k3s.SQLite, k3s.Etcd} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			if d == k3s.Etcd {
				long(t) // without --all TestLabCrash restores one
			}
			restoresABackup(t, d)
		})
	}
}

func restoresABackup(t *testing.T, d k3s.Datastore) {
	x := newBox(t, lab.Options{Datastore: d})
	x.witness()
	backup := x.run(0, "backup").Report.Run
	taken := x.journal()
	x.followed()
	var listed []struct{ Run, Version string }
	if err := json.Unmarshal([]byte(x.run(0, "restore").Stdout), &listed); err != nil || len(listed) != 1 || listed[0].Run != backup {
		t.Fatalf("belay restore lists %v, %v", listed, err)
	}
	var refused struct {
		Since string        `json:"discard-writes-since"`
		Lost  []oracle.Loss `json:"lost"`
	}
	if err := json.Unmarshal([]byte(x.run(1, "restore", backup).Stdout), &refused); err != nil || len(refused.Lost) == 0 {
		t.Fatalf("what would be lost: %v, %v", refused, err)
	}

	// The present comes back: what was acknowledged before the stop of the
	// restore is there, what the restored server took is in the report.
	args := []string{"restore", backup, "--discard-writes-since", refused.Since}
	p, err := x.b.Start(t.Context(), args...)
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
	x.followed()
	if err := p.Interrupt(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := x.end(120 * time.Second)
	x.check(r, 3, append(args, "(Ctrl-C)")...)
	x.serves(labtest.From)
	x.tidy()
	x.judge(cutOf(x.journal()), r.Report, false)
	first := r.Report.Lost.Objects

	// And for good. Whatever was written since the backup is given up.
	x.witness()
	x.followed()
	r = x.run(0, args...)
	if r.Report.State() != "committed" || !strings.Contains(r.Report.Verdict, labtest.From) {
		t.Errorf("the report says %q: %s", r.Report.State(), r.Report.Verdict)
	}
	x.serves(labtest.From)
	x.tidy()
	cut := oracle.Cut{}
	begun, _ := taken.Find("intent", "n1.backup")
	ended, _ := taken.Find("outcome", "n1.backup")
	restored, _ := x.journal().Find("intent", "n1.start")
	cut.Stop, cut.Stopped, cut.Back = begun.At, ended.At, restored.At
	r.Report.Lost.Objects = append(first, r.Report.Lost.Objects...)
	if v := x.judge(cut, r.Report, false); v.Lost == 0 {
		t.Error("the oracle saw no write that was given up")
	}
}
