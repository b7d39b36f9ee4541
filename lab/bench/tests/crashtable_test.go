package tests

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	"belay.dev/lab/bench/k3s"
)

// crashRow is one run with one fault in it: where, what kind of run, at which
// of its steps, and what befalls the node.
type crashRow struct {
	datastore k3s.Datastore
	kind      runKind
	step      string
	moment    moment
	fault     fault
}

type (
	runKind string
	moment  string
	fault   string
)

const (
	anUpgrade runKind = "upgrade"
	// aPutBack is `rollback` out of the soak.
	aPutBack runKind = "put-back"
	// aRollback is `rollback` after the commit, which is a restore of what the
	// upgrade kept.
	aRollback runKind = "rollback"
	// aRestore is `restore` of a backup.
	aRestore runKind = "restore"

	// begun: the intent is recorded. inside: some time later, drawn from the
	// seed. done: the outcome is recorded.
	begun  moment = "begun"
	inside moment = "inside"
	done   moment = "done"

	powerCut fault = "power cut"
	// diskFull leaves what Belay has reserved for itself; diskTaken takes the
	// reserve of the copy as well.
	diskFull  fault = "disk full"
	diskTaken fault = "disk full with the reserve taken"
)

func (r crashRow) String() string {
	return fmt.Sprintf("%s, %s, %s %s, %s", r.datastore, r.kind, r.moment, r.step, r.fault)
}

// rng is the row's own, so that a row does the same in every sample of a seed.
func (r crashRow) rng(seed uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(r.String()))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// The steps of each kind of run, in their order. The box holds those of an
// upgrade against a plan of Belay's, so none can be forgotten here.
var (
	upgradeSteps = []string{"fence", "stage", "backup", "prove-backup", "baseline", "arm-guard", "stop", "keep", "swap", "start", "gate", "soak", "commit"}
	restoreSteps = []string{"fence", "stage", "backup", "prove-backup", "rebuild", "arm-guard", "stop", "keep", "restore", "start", "gate", "soak", "commit"}
	putBackSteps = []string{"back.stop", "back.put-back", "back.start", "back.gate", "back.release"}

	crashSteps = map[runKind][]string{anUpgrade: upgradeSteps, aPutBack: putBackSteps, aRollback: restoreSteps, aRestore: restoreSteps}
	// fullAt are the steps that need room.
	fullAt = map[runKind][]string{
		anUpgrade: {"stage", "backup", "keep"}, aPutBack: {"back.put-back"},
		aRollback: {"stage", "backup", "rebuild", "keep", "restore"}, aRestore: {"stage", "backup", "rebuild", "keep", "restore"},
	}
	runKinds   = []runKind{anUpgrade, aPutBack, aRollback, aRestore}
	datastores = []k3s.Datastore{k3s.SQLite, k3s.Etcd}
	faults     = []fault{powerCut, diskFull, diskTaken}
)

// crashTable is every row that there is.
func crashTable() []crashRow {
	var table []crashRow
	for _, d := range datastores {
		for _, kind := range runKinds {
			for _, step := range crashSteps[kind] {
				for _, m := range []moment{begun, inside, done} {
					table = append(table, crashRow{d, kind, step, m, powerCut})
				}
			}
			for _, step := range fullAt[kind] {
				table = append(table, crashRow{d, kind, step, begun, diskFull})
				if step == "keep" {
					table = append(table, crashRow{d, kind, step, begun, diskTaken})
				}
			}
		}
	}
	return table
}

// crashAlways are the rows of every `./dev test`: each datastore, each kind of
// run and each kind of fault, at the places that are most likely to hurt.
var crashAlways = []crashRow{
	{k3s.SQLite, aPutBack, "back.put-back", inside, powerCut},
	{k3s.SQLite, anUpgrade, "keep", begun, diskTaken},
	{k3s.SQLite, anUpgrade, "keep", inside, powerCut},
	{k3s.SQLite, aRollback, "restore", inside, powerCut},
	{k3s.Etcd, aPutBack, "back.put-back", inside, powerCut},
	{k3s.Etcd, aRestore, "restore", inside, powerCut},
	{k3s.Etcd, anUpgrade, "backup", begun, diskFull},
	{k3s.Etcd, anUpgrade, "swap", done, powerCut},
}

// crashSample draws n rows. Each next one shows as much as possible that none
// before it has shown: every step of every kind of run comes before the second
// look at any. What a table of that size cannot give begins again.
func crashSample(table []crashRow, n int, seed uint64) []crashRow {
	rng := rand.New(rand.NewPCG(seed, 1))
	var sample []crashRow
	for len(sample) < n {
		rest := slices.Clone(table)
		rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		shown := map[string]bool{}
		for len(rest) > 0 && len(sample) < n {
			best, most := 0, -1
			for i, r := range rest {
				news := 0
				for _, what := range r.shows() {
					if !shown[what] {
						news++
					}
				}
				if news > most {
					best, most = i, news
				}
			}
			for _, what := range rest[best].shows() {
				shown[what] = true
			}
			sample = append(sample, rest[best])
			rest = slices.Delete(rest, best, best+1)
		}
	}
	return sample
}

func (r crashRow) shows() []string {
	return []string{
		fmt.Sprint(r.kind, r.step), fmt.Sprint(r.fault, r.step), fmt.Sprint(r.datastore, r.kind, r.fault),
		fmt.Sprint(r.datastore, r.kind, r.moment), fmt.Sprint(r.kind, r.step, r.fault),
	}
}

// crashLanes deals rows to nodes that run side by side. A node goes on with the
// cluster that the row before left, so an upgrade is followed by the rollback
// of one where there is such a row.
func crashLanes(rows []crashRow, lanes int) [][]crashRow {
	var units [][]crashRow
	for _, d := range datastores {
		byKind := map[runKind][]crashRow{}
		for _, r := range rows {
			if r.datastore == d {
				byKind[r.kind] = append(byKind[r.kind], r)
			}
		}
		for _, kind := range []runKind{aPutBack, aRestore} {
			for _, r := range byKind[kind] {
				units = append(units, []crashRow{r})
			}
		}
		// What cannot lead to the new version first: nothing is to be taken back after it.
		up, back := byKind[anUpgrade], byKind[aRollback]
		slices.SortStableFunc(up, func(a, b crashRow) int { return len(b.fault) - len(a.fault) })
		for len(up) > len(back) {
			units, up = append(units, up[:1]), up[1:]
		}
		for i, r := range back {
			unit := []crashRow{r}
			if j := i - (len(back) - len(up)); j >= 0 {
				unit = []crashRow{up[j], r}
			}
			units = append(units, unit)
		}
	}
	dealt := make([][]crashRow, lanes)
	given := 0
	for _, unit := range units {
		lane := min(given*lanes/max(len(rows), 1), lanes-1)
		dealt[lane] = append(dealt[lane], unit...)
		given += len(unit)
	}
	return dealt
}

// TestTheCrashTableIsWhole: what every `./dev test` runs meets each datastore,
// each kind of run and each kind of fault; a sample of sixty meets each step of
// each kind of run, whatever its seed; and nothing that was drawn is dropped.
func TestTheCrashTableIsWhole(t *testing.T) {
	table := crashTable()
	whole := func(what string, rows []crashRow, steps bool) {
		t.Helper()
		met := map[any]bool{}
		for _, r := range rows {
			met[r.datastore], met[r.kind], met[r.fault] = true, true, true
			met[fmt.Sprint(r.kind, r.step)] = true
			met[fmt.Sprint(r.fault != powerCut, r.step)] = true
			if !slices.Contains(table, r) {
				t.Errorf("%s: %s is no row of the table", what, r)
			}
		}
		for _, d := range datastores {
			for _, kind := range runKinds {
				for _, f := range faults {
					if !met[d] || !met[kind] || !met[f] {
						t.Errorf("%s lacks %s, %s or %s", what, d, kind, f)
					}
				}
				for _, step := range crashSteps[kind] {
					if steps && !met[fmt.Sprint(kind, step)] {
						t.Errorf("%s lacks %s of %s", what, step, kind)
					}
				}
				for _, step := range fullAt[kind] {
					if steps && !met[fmt.Sprint(true, step)] {
						t.Errorf("%s fills no disk at %s", what, step)
					}
				}
			}
		}
		for lanes := 1; lanes <= 3; lanes++ {
			dealt := slices.Concat(crashLanes(rows, lanes)...)
			if len(dealt) != len(rows) {
				t.Errorf("%s: %d rows dealt to %d lanes, not %d", what, len(dealt), lanes, len(rows))
			}
		}
	}
	whole("./dev test", crashAlways, false)
	for seed := range uint64(12) {
		whole(fmt.Sprintf("sixty of seed %d", seed), crashSample(table, 60, seed), true)
	}
	if n := len(crashSample(table, len(table)+5, 1)); n != len(table)+5 {
		t.Errorf("%d rows drawn, not %d", n, len(table)+5)
	}
}
