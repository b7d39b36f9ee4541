package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
)

// TestLabCrash: real nodes, a whole run of Belay with one fault in it, and what
// comes of it when the node boots and somebody types the next command. Without
// BELAY_LAB_CRASH_RUNS (`./dev lab-crash`) it takes the rows of crashAlways.
func TestLabCrash(t *testing.T) {
	t.Parallel()
	rows, seed := crashAlways, uint64(1)
	if asked := os.Getenv("BELAY_LAB_CRASH_RUNS"); asked != "" || all() {
		runs := 60
		for variable, read := range map[string]func(string) error{
			"BELAY_LAB_CRASH_RUNS": func(s string) (err error) { runs, err = strconv.Atoi(s); return },
			"BELAY_LAB_CRASH_SEED": func(s string) (err error) { seed, err = strconv.ParseUint(s, 10, 64); return },
		} {
			if s := os.Getenv(variable); s != "" {
				if err := read(s); err != nil {
					t.Fatalf("%s: %v", variable, err)
				}
			}
		}
		rows = crashSample(crashTable(), runs, seed)
	}
	totals := crashTotals{ended: map[string]int{}}
	t.Run("rows", func(t *testing.T) {
		for i, lane := range crashLanes(rows, min(3, (len(rows)+3)/4)) {
			if len(lane) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("node %d", i+1), func(t *testing.T) {
				t.Parallel()
				c := &crashLane{t: t, seed: seed, totals: &totals}
				for _, row := range lane {
					c.take(row)
				}
			})
		}
	})
	totals.print(t, rows, seed)
}

// crashTotals counts what was run, for all lanes.
type crashTotals struct {
	sync.Mutex
	ran   []crashRow
	good  int
	ended map[string]int
}

func (c *crashTotals) add(row crashRow, good bool) {
	c.Lock()
	defer c.Unlock()
	c.ran = append(c.ran, row)
	if good {
		c.good++
	}
}

func (c *crashTotals) end(state string) {
	c.Lock()
	defer c.Unlock()
	c.ended[state]++
}

// print gives the totals, and fails when less was run than was asked for.
func (c *crashTotals) print(t *testing.T, asked []crashRow, seed uint64) {
	t.Helper()
	distinct, by := map[crashRow]bool{}, map[string]int{}
	for _, r := range c.ran {
		distinct[r] = true
		by[r.datastore.String()]++
		by[string(r.kind)]++
		by[string(r.fault)]++
	}
	list := func(counts map[string]int) string {
		var parts []string
		for name, n := range counts {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
		sort.Strings(parts)
		return strings.Join(parts, ", ")
	}
	table := len(crashTable())
	t.Logf("lab crash: %d runs asked for, %d made, %d as they have to be; seed %d", len(asked), len(c.ran), c.good, seed)
	t.Logf("lab crash: %d distinct points × faults covered of %d (%.0f %%); runs: %s", len(distinct), table,
		100*float64(len(distinct))/float64(table), list(by))
	t.Logf("lab crash: ended: %s", list(c.ended))
	if c.good == len(asked) {
		t.Logf("lab crash: no failure in %d runs: at 95 %%, fewer than %.1f %% of such runs fail (3/N)", c.good, 300/float64(c.good))
	}
	if len(c.ran) != len(asked) {
		t.Errorf("%d of %d runs were made", len(c.ran), len(asked))
	}
}

// crashLane is one node whose cluster lives on from row to row, so that a run
// costs nothing but itself. A row that fails takes the node with it.
type crashLane struct {
	t      *testing.T
	seed   uint64
	totals *crashTotals

	x *box
	// serves is the version that the cluster is at; upgraded is the journal of
	// the upgrade that brought it there, and is empty at the old version.
	serves   string
	upgraded belay.Journal
	// spent: no row can go on from here.
	spent bool
	// uid and before are of the cluster when it was new.
	uid string
	// up and back are what an upgrade and a rollback out of its soak journal.
	up, back script
}

// take makes one row, on this lane's node or on a new one.
func (c *crashLane) take(row crashRow) {
	c.ready(row)
	good := c.t.Run(row.String(), func(t *testing.T) { c.crash(c.x.on(t), row) })
	c.totals.add(row, good)
	if !good {
		c.retire()
	}
}

// ready makes a node of the row's datastore, at the version that the row
// begins from.
func (c *crashLane) ready(row crashRow) {
	c.t.Helper()
	wants := labtest.From
	if row.kind == aRollback {
		wants = labtest.To
	}
	if c.x != nil && (c.spent || c.x.datastore != row.datastore || wants == labtest.From && c.serves != wants) {
		c.retire()
	}
	if c.x == nil {
		c.x = newBoxOver(c.t, lab.Options{DiskMB: 3000, Datastore: row.datastore}, local)
		c.x.needCrash()
		c.x.before = take(c.t, c.x.c)
		c.up, c.back = c.x.scripts()
		for _, record := range c.up {
			step, intent := strings.CutPrefix(record, "intent n1.")
			if intent && !slices.Contains(upgradeSteps, step) {
				c.t.Errorf("crashTable knows no step %s of an upgrade", step)
			}
		}
		c.uid, c.serves, c.upgraded = clusterUID(c.t, c.x.n), labtest.From, nil
	}
	if c.serves == wants {
		return
	}
	// Undisturbed; the row goes on from it.
	c.x.witness()
	r := c.x.run(0, "upgrade", "--to", labtest.To, "--soak", "1s", "--yes")
	if r.Report.State() != "committed" {
		c.t.Fatalf("an upgrade without a fault ended %q\n%s", r.Report.State(), c.x.story0())
	}
	attemptsGrow(c.t, c.x.log, oracle.Acknowledged)
	c.x.hush()
	c.x.dismiss()
	c.serves, c.upgraded = labtest.To, c.x.journal()
}

// retire gives the node up: the next row gets a new one.
func (c *crashLane) retire() {
	c.x.dismiss()
	if os.Getenv("BELAY_LAB_KEEP") == "" {
		if err := c.x.n.PowerCut(c.t.Context()); err != nil {
			c.t.Error(err)
		}
	}
	c.x, c.spent = nil, false
}

// rest is for between two rows. At the old version the cluster is what it was
// when it was new, but for the writers' objects, which nobody needs any more.
// At the new one the rollback that follows is to bring them back.
func (c *crashLane) rest(x *box) {
	x.dismiss()
	if c.serves != labtest.From {
		c.x.story, c.x.logs = x.story, x.logs
		return
	}
	if err := oracle.Forget(x.t.Context(), x.c); err != nil {
		x.t.Fatal(err)
	}
	c.x.story, c.x.logs = nil, x.logs
	room := labtest.Number(x.t, x.n, "sh", "-c", "echo $(($(stat -f -c '%a*%S' /var/lib) / 1048576))")
	if room < 1400 {
		x.run(0, "prune", "--yes")
	}
}

// given is a run as a row begins it: the arguments, the command that a person
// types afterwards, and what there was before.
type given struct {
	args []string
	// open is the run that the command goes on with, and its records so far.
	open    string
	records int
	// left and at are the line of a restore: from when on everything is given up.
	left, at belay.Record
}

// begin does what comes before the run of a row: its own fault is still to come.
func (c *crashLane) begin(x *box, row crashRow) given {
	x.t.Helper()
	x.witness()
	switch row.kind {
	case aPutBack:
		p := x.soaking()
		x.followed()
		if err := p.Kill(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
		x.end(waitForADeath)
		x.followed()
		j := x.journal()
		return given{args: []string{"rollback"}, open: j.Last().Run, records: len(j)}
	case aRollback:
		run := c.upgraded.Last().Run
		g := given{args: []string{"rollback", run, "--discard-writes-since", x.since("rollback", run)}}
		g.left, _ = c.upgraded.Find("intent", "n1.stop")
		g.at, _ = c.upgraded.Find("outcome", "n1.stop")
		return g
	case aRestore:
		run := x.run(0, "backup").Report.Run
		j := x.journal()
		x.followed()
		g := given{args: []string{"restore", run, "--discard-writes-since", x.since("restore", run)}}
		g.left, _ = j.Find("intent", "n1.backup")
		g.at, _ = j.Find("outcome", "n1.backup")
		return g
	default:
		return given{args: []string{"upgrade", "--to", labtest.To, "--soak", "2s", "--yes"}}
	}
}

// since asks what would be lost, and gives the time that has to be typed.
func (x *box) since(args ...string) string {
	x.t.Helper()
	var refused struct {
		Since string        `json:"discard-writes-since"`
		Lost  []oracle.Loss `json:"lost"`
	}
	r := x.run(1, args...)
	if err := json.Unmarshal([]byte(r.Stdout), &refused); err != nil || len(refused.Lost) == 0 {
		x.t.Fatalf("what would be lost: %v\n%s", err, clip(r.String(), 3000))
	}
	return refused.Since
}

// serverInode tells the directories of a run apart.
func (x *box) serverInode() int {
	x.t.Helper()
	return labtest.Number(x.t, x.n, "stat", "-c", "%i", k3s.DataDir+"/server")
}
