package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
)

// TestBackupAndPrune: a backup alone leaves K3s as it is and a copy elsewhere;
// prune removes what an upgrade left, and never the last good backup.
func TestBackupAndPrune(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	life := x.life()
	r := x.run(0, "backup", "--backup-to", "/root/elsewhere")
	if x.life() != life {
		t.Error("a backup restarted K3s")
	}
	x.tidy()
	first := r.Report.Run
	copied := strings.TrimSpace(labtest.Must(t, x.n, "sh", "-c", "ls -d /root/elsewhere/*/"+first))
	labtest.Must(t, x.n, "sh", "-ec", `test "$(stat -c %a `+copied+`)" = 700; test "$(stat -c %a `+copied+`/manifest.json)" = 600
		test -z "$(find `+copied+` -type f -perm /077)"
		cmp `+copied+`/datastore/state.db `+belay.NodeState+`/backups/`+first+`/datastore/state.db`)

	x.run(0, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	x.serves(labtest.To)
	run, err := x.b.LastRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Leftovers []struct{ What, Path, Run string }
		Removed   []string
	}
	read := func(r belay.Result) {
		t.Helper()
		listed.Leftovers, listed.Removed = nil, nil
		if err := json.Unmarshal([]byte(r.Stdout), &listed); err != nil {
			t.Fatalf("%v\n%s", err, r)
		}
	}
	read(x.run(0, "prune", "--dry-run"))
	found := map[string]bool{}
	for _, l := range listed.Leftovers {
		found[l.What+" "+l.Run] = true
	}
	for _, what := range []string{"other binary " + run, "kept copy " + run, "older backup " + first} {
		if !found[what] {
			t.Errorf("prune does not list the %s: %v", what, found)
		}
	}
	if found["older backup "+run] {
		t.Error("prune would remove the last good backup")
	}
	if refused := x.run(1, "prune"); !refused.Says("--yes") {
		t.Errorf("prune without a terminal and without --yes: %s", refused)
	}
	read(x.run(0, "prune", "--yes"))
	if len(listed.Removed) < 3 {
		t.Errorf("prune removed %v", listed.Removed)
	}
	left := labtest.Must(t, x.n, "sh", "-c", "ls -d "+k3s.DataDir+"/server.belay-* "+belay.NodeState+"/backups/* /usr/local/bin/.k3s.belay-* 2>/dev/null; true")
	if strings.TrimSpace(left) != belay.NodeState+"/backups/"+run {
		t.Errorf("after prune there is: %s", left)
	}
	x.serves(labtest.To)
}
