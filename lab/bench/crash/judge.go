package crash

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"belay.dev/lab/bench/stub/systemd"
)

const (
	dataDir = "/var/lib/rancher/k3s"
	state   = "/var/lib/belay/node"
)

// judge looks at the end of a schedule: what must be true of the node, and then whether it is what the undisturbed run left.
func (g *game) judge(last systemd.Done) {
	d := g.w.Do(systemd.Order{Do: "settle", Within: 30_000})
	if d.Hung {
		g.wrong("something of Belay works on after the end, or K3s is %s", d.State)
	}
	g.exitCode(last)
	g.order()
	lives := strings.Fields(g.w.Text("log/lives"))
	if strings.Contains(g.w.Text("log/lives"), "empty cluster") {
		g.wrong("K3s made an empty cluster")
	}
	if g.r.End == "needs-human" {
		// A declared halt: it says why, and K3s is up or a marker keeps it down.
		if g.r.Why == "" || d.State != "active" && !g.marked() {
			g.wrong("needs-human without a reason, or with K3s %s and no marker", d.State)
		}
		return
	}
	if d.State != "active" {
		g.wrong("at the end K3s is %s", d.State)
	}
	version := g.version()
	if len(lives) > 0 && lives[len(lives)-1] != version {
		g.wrong("what runs is %s, and %s is installed", lives[len(lives)-1], version)
	}
	if want := g.wanted(); version != want {
		g.wrong("it ended %s, and %s is installed instead of %s", g.r.End, version, want)
	}
	g.tidy()
	g.nodeJournal()
	g.w.Do(systemd.Order{Do: "stop-k3s", Within: 10_000})
	g.written()
	g.r.Listing = g.listing()
}

func (g *game) exitCode(last systemd.Done) {
	asked := false
	for _, r := range g.journal() {
		asked = asked || r.Event == "turn" && r.Asked || r.Event == "resumed" && r.Back
	}
	want := map[string]int{"committed": 0, "restored": 3, "unchanged": 3, "needs-human": 4}[g.r.End]
	if asked && (g.r.End == "restored" || g.r.End == "unchanged") {
		want = 0
	}
	over := last.Code == 1 && strings.Contains(last.Err, "has ended")
	if last.Code != want && last.Code >= 0 && !over {
		g.wrong("it ended %s with exit %d: %s", g.r.End, last.Code, tail(last.Out+last.Err, 400))
	}
}

// version is the release whose wrapper is installed.
func (g *game) version() string {
	installed := g.w.Text("/usr/local/bin/k3s")
	for _, r := range append(Releases, Old) {
		if installed == r.Wrapper() {
			return r.Tag
		}
	}
	return "none of the releases"
}

// wanted is the version that belongs to the end state.
func (g *game) wanted() string {
	forward, back := g.s.Goal.To.Tag, Old.Tag
	if g.s.Goal.Before != nil {
		forward, back = back, forward
	}
	if g.r.End == "committed" {
		return forward
	}
	return back
}

// tidy: nothing is left of the run that should not be.
func (g *game) tidy() {
	if g.marked() {
		g.wrong("the marker is still there")
	}
	_ = filepath.WalkDir(g.w.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(g.w.Root, path)
		if d.IsDir() && (rel == "usr" || rel == "dev" || rel == "proc" || rel == "belay" || rel == "stub" || rel == "crash") {
			return fs.SkipDir
		}
		name := d.Name()
		for _, left := range []string{"belay-guard", "belay-lease", "50-belay", ".belay-reserve", ".belay-start-reserve", ".belay-extract", ".partial", ".restore"} {
			if strings.Contains(name, left) && !strings.HasSuffix(name, ".belay-new") {
				g.wrong("left behind: /%s", rel)
			}
		}
		if rel == state[1:]+"/runs/"+g.run+"/reserve" {
			g.wrong("left behind: /%s", rel)
		}
		return nil
	})
}

// nodeJournal: the node's own story is whole, and tells the same end.
func (g *game) nodeJournal() {
	text := g.w.Text(filepath.Join(state, "runs", g.run, "journal"))
	if text == "" {
		if g.r.End != "unchanged" {
			g.wrong("the node remembers nothing of the run")
		}
		return
	}
	records, err := nodeRecords(text)
	if err != nil {
		g.wrong("the node's %v", err)
		return
	}
	var ended string
	for _, r := range records {
		if ev, ok := r["ev"].(map[string]any); ok {
			if e, ok := ev["ended"].(map[string]any); ok {
				ended, _ = e["state"].(string)
			}
		}
	}
	if ended != g.r.End {
		g.wrong("the coordinator says that it ended %s, the node %q", g.r.End, ended)
	}
}

type row struct {
	rev     int64
	tag     string
	deleted bool
}

// written: every acknowledged write is there, or was given up and is named.
func (g *game) written() {
	var highest int64
	expected, given := map[string]row{}, map[string]bool{}
	dropped, restored := g.dropped(), false
	for _, line := range strings.Split(strings.TrimSpace(g.w.Text("log/writes")), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			continue
		}
		var rev int64
		_, _ = fmt.Sscan(f[0], &rev)
		if rev <= highest {
			g.wrong("revisions ran backwards: %d after %d (%s)", rev, highest, f[3])
		}
		highest = max(highest, rev)
		restored = restored || f[1] != Old.Tag
		// What the old version wrote before there was another is in every copy.
		if f[1] == dropped && (restored || dropped != Old.Tag) {
			given[f[3]] = true
			continue
		}
		expected[f[3]] = row{rev, f[1], f[2] == "delete"}
	}
	live, err := g.live()
	if err != nil {
		g.wrong("the datastore at the end: %v", err)
		return
	}
	var missing, extra []string
	for key, e := range expected {
		is, ok := live[key]
		switch {
		case e.deleted && ok:
			extra = append(extra, key)
		case !e.deleted && (!ok || is != e.rev):
			missing = append(missing, fmt.Sprintf("%s@%d(is %d)", key, e.rev, is))
		}
	}
	for key := range live {
		if _, ok := expected[key]; !ok {
			extra = append(extra, key)
		}
	}
	sort.Strings(missing)
	sort.Strings(extra)
	if len(missing)+len(extra) > 0 {
		g.wrong("of the acknowledged writes are lost %v; nobody wrote %v", clip(missing), clip(extra))
	}
	g.named(given)
}

// dropped is the release whose writes are given up; "" for none.
func (g *game) dropped() string {
	goal := g.s.Goal
	switch {
	case goal.Before != nil && g.r.End == "committed":
		return goal.To.Tag
	case goal.Before != nil && g.r.End == "restored":
		// A rollback that was taken back: what the old version wrote once it was live again.
		return Old.Tag
	case goal.Before == nil && g.r.End == "restored" && (!goal.Data || g.putBack()):
		return goal.To.Tag
	}
	return ""
}

func (g *game) putBack() bool {
	return strings.Contains(g.w.Text(filepath.Join(state, "runs", g.run, "journal")), `"put-back":{"server`)
}

// named: what was given up stands in the report.
func (g *game) named(given map[string]bool) {
	if len(given) == 0 {
		return
	}
	list := "lost.json"
	if g.s.Goal.Before != nil && g.r.End == "committed" {
		list = "left.json"
	}
	text := g.w.Text(filepath.Join(state, "runs", g.run, list))
	for key := range given {
		name := key[strings.LastIndex(key, "/")+1:]
		if strings.Contains(key, "/leases/") || strings.Contains(name, "canary") || strings.HasSuffix(name, "-gate") {
			continue
		}
		if !strings.Contains(text, name) {
			g.wrong("%s was given up and is not named", key)
		}
	}
	if !json.Valid([]byte(text)) {
		g.wrong("the list of what was given up is no JSON")
	}
}

// live is the latest revision of every live object in the datastore, read from a copy.
func (g *game) live() (map[string]int64, error) {
	dir, err := os.MkdirTemp(g.w.Path("tmp"), "judge")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"state.db", "state.db-wal"} {
		text, err := os.ReadFile(g.w.Path(filepath.Join(dataDir, "server/db", name)))
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT k.id, k.name FROM kine k JOIN (SELECT MAX(id) AS id FROM kine GROUP BY name) m
		ON k.id = m.id WHERE k.deleted = 0 AND k.name NOT LIKE 'gap-%'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	live := map[string]int64{}
	for rows.Next() {
		var (
			id   int64
			name string
		)
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		live[name] = id
	}
	return live, rows.Err()
}

// order: what the two journals promise each other, whatever came of the run. An intent of the coordinator is durable before the
// node's own, a resume acts with a higher generation, and the node knows that it goes back before the coordinator does.
func (g *game) order() {
	seen := map[string]bool{}
	for _, line := range g.trace() {
		who, what, _ := strings.Cut(line, "\t")
		if step, ok := strings.CutPrefix(what, "before intent "); ok && who == "belay-helper" && step != "recover" &&
			!seen["belay\tafter intent "+step] {
			g.wrong("the node began %s before the coordinator's intent was durable", step)
		}
		seen[line] = true
	}
	generation, untold := 0, false
	for _, r := range g.journal() {
		untold = untold || r.Event == "note" && strings.Contains(r.Says, "could not be told")
		// Killed before its first record, a run is opened by its first resume.
		if r.Event == "resumed" && r.Seq > 2 && r.Generation <= generation {
			g.wrong("a resume acts with generation %d, as the one before it", r.Generation)
		}
		generation = max(generation, r.Generation)
		if r.Event == "turn" && r.Reached != "prepared" && !untold && !seen["belay-helper\tafter turned"] {
			g.wrong("the run goes back, and the node was not told")
		}
	}
}
