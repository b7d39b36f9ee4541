package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// upgrades is the whole line: a client writes through it and loses nothing.
func (x *box) upgrades(more ...string) {
	t := x.t
	x.witness()
	r := x.run(0, append([]string{"upgrade", "--to", labtest.To, "--soak", "5s", "--yes"}, more...)...)
	if r.Report.State() != "committed" {
		t.Fatalf("exit 0, and the report says %q: %s", r.Report.State(), r.Stdout)
	}
	x.serves(labtest.To)
	if s, err := k3s.Show(t.Context(), x.n); err != nil || s.NRestarts != 0 {
		t.Errorf("it was restarted: %+v, %v", s, err)
	}
	x.tidy()
	v := x.judge(oracle.Cut{}, r.Report, true)
	if n := oracle.Tally(x.story); n[oracle.Unanswered]+n[oracle.Refused] == 0 || v.Objects == 0 {
		t.Errorf("the writer did not live through an outage: %v", n)
	}
	// Over SSH the node's own view stands beside the probe's; on the node they would be one.
	port, remote := r.Report.API.OnNode, x.b.Coordinator != nil
	if (port != nil) != remote || remote && (port.Port != 6443 || len(port.Closed) == 0 || port.Forward == nil || !port.Complete) {
		t.Errorf("what the node saw of its port: %+v", port)
	}
	run := r.Report.Run
	x.leavesAWayBack(run)
	if j := x.journal(); j.Last().Event != "end" || j.Last().State != "committed" {
		t.Errorf("the journal ends with %s", j.Last())
	}
	html, err := x.b.OfRun(t.Context(), run, "report.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"<html", run, labtest.From, labtest.To} {
		if !strings.Contains(string(html), words) {
			t.Errorf("report.html does not mention %s", words)
		}
	}
	for _, foreign := range []string{`src="http`, `href="http`, "@import", "url(http"} {
		if strings.Contains(string(html), foreign) {
			t.Errorf("report.html is not self-contained: %s", foreign)
		}
	}
	stored, err := x.b.StoredReport(t.Context(), run)
	if err != nil || stored.State() != "committed" {
		t.Errorf("report.json: %+v, %v", stored, err)
	}
	t.Run("rollback after the commit", func(t *testing.T) { x.on(t).rollbackAfterCommit(run) })
}

// leavesAWayBack: the old binary in its slot, the kept copy and the backup.
func (x *box) leavesAWayBack(run string) {
	x.t.Helper()
	kept, stored := "db/state.db", "state.db"
	if x.datastore == k3s.Etcd {
		kept, stored = "db/etcd/member/snap/db", "snapshot.db"
	}
	slot := "/usr/local/bin/.k3s.belay-" + run
	if v := labtest.Must(x.t, x.n, slot, "--version"); !strings.Contains(v, labtest.From) {
		x.t.Errorf("the slot %s holds %s", slot, v)
	}
	labtest.Must(x.t, x.n, "test", "-s", k3s.DataDir+"/server.belay-"+run+"/"+kept)
	labtest.Must(x.t, x.n, "test", "-s", belay.NodeState+"/backups/"+run+"/datastore/"+stored)
	// The saved token opens what K3s keeps of its keys in the datastore.
	labtest.Must(x.t, x.n, "grep", "-Eq", `"level": *"decrypts"`, belay.NodeState+"/backups/"+run+"/receipt.json")
}

func (x *box) ofRun(run, name string) string {
	x.t.Helper()
	text, err := x.b.OfRun(x.t.Context(), run, name)
	if err != nil {
		x.t.Fatal(err)
	}
	return string(text)
}

func (x *box) rollbackAfterCommit(run string) {
	t := x.t
	x.witness()
	life := x.life()
	journal := x.ofRun(run, "journal")
	r := x.run(1, "rollback")
	var refused struct {
		Since string        `json:"discard-writes-since"`
		Lost  []oracle.Loss `json:"lost"`
		Error struct{ Next []string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &refused); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	if len(refused.Lost) == 0 || len(refused.Error.Next) == 0 || !strings.Contains(refused.Error.Next[0], refused.Since) {
		t.Errorf("what would be lost: %s", r)
	}
	x.run(1, "rollback", "--discard-writes-since", "2020-01-01T00:00:00Z")
	if now := x.life(); now != life {
		t.Errorf("K3s is %s, was %s", now, life)
	}
	x.serves(labtest.To)
	x.tidy()
	r = x.run(0, "rollback", run, "--discard-writes-since", refused.Since)
	if now := x.ofRun(run, "journal"); now != journal {
		t.Error("the journal of a run that is over was written to")
	}
	if r.Report.State() != "committed" || r.Report.To != labtest.From {
		t.Errorf("the report says %q: %s", r.Report.State(), r.Report.Verdict)
	}
	x.serves(labtest.From)
	x.tidy()
	upgrade, err := x.b.Journal(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	if v := x.judge(cutSince(upgrade, x.journal()), r.Report, false); v.Lost == 0 {
		t.Error("the oracle saw no write that was given up")
	}
	var shown map[string]any
	if err := json.Unmarshal([]byte(x.run(0, "report").Stdout), &shown); err != nil {
		t.Errorf("report --output json: %v", err)
	}
}

// cutSince is the line of what a run takes back: from the stop of the run that
// left it, until the old version was started again.
func cutSince(left, back belay.Journal) oracle.Cut {
	cut := cutOf(left)
	if r, ok := back.Find("intent", "n1.start"); ok {
		cut.Back = r.At
	}
	return cut
}
