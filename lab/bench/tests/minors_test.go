package tests

import (
	"slices"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

// carries is a release and the minor of etcd that it carries.
type carries struct{ tag, etcd string }

// way is the safe way from the oldest release to the newest (k3s-facts §4.2).
// On its first step etcd's minor changes in a patch, on its last one with
// Kubernetes'.
var way = []carries{
	{"v1.33.10+k3s1", "3.5"}, {"v1.33.13+k3s1", "3.6"}, {"v1.34.12+k3s1", "3.6"},
	{"v1.35.9+k3s1", "3.6"}, {"v1.36.5+k3s1", "3.6"}, {"v1.37.1+k3s1", "3.7"},
}

// need skips where real releases are given and these are not among them.
func need(t *testing.T, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		if _, err := release.Default().Binary(tag); release.Real() && err != nil {
			t.Skipf("among the real releases: %v", err)
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAlongTheMinors goes from release to release on the same server, and loses
// nothing on the way.
func TestAlongTheMinors(t *testing.T) {
	t.Parallel()
	long(t)
	for _, datastore := range []k3s.Datastore{k3s.SQLite, k3s.Etcd} {
		t.Run(datastore.String(), func(t *testing.T) {
			t.Parallel()
			alongTheMinors(t, datastore)
		})
	}
}

func alongTheMinors(t *testing.T, datastore k3s.Datastore) {
	need(t, way[0].tag)
	x := newBoxOf(t, way[0].tag, lab.Options{Datastore: datastore}, local)
	x.etcdIs(way[0].etcd)
	for i, step := range way[1:] {
		done := t.Run(step.tag, func(t *testing.T) {
			need(t, step.tag)
			y := x.on(t)
			y.goesTo(step.tag, way[i].etcd, step.etcd)
			x.goesOnFrom(y)
		})
		if !done {
			return
		}
	}
}

// goesTo upgrades to the next release.
func (x *box) goesTo(tag, etcdBefore, etcd string) {
	t := x.t
	x.before = nil // what the last upgrade brought belongs to the cluster now
	plan := x.run(0, "plan", "--to", tag)
	if says := strings.Contains(plan.Stdout, "etcd goes from "+etcdBefore+" to "+etcd); says != (x.datastore == k3s.Etcd && etcdBefore != etcd) {
		t.Errorf("the plan says that etcd's minor changes: %v\n%s", says, clip(plan.Stdout, 3000))
	}
	x.witness()
	r := x.run(0, "upgrade", "--to", tag, "--soak", "1s", "--yes")
	if r.Report.State() != "committed" {
		t.Fatalf("exit 0, and the report says %q: %s", r.Report.State(), r.Stdout)
	}
	x.serves(tag)
	x.etcdIs(etcd)
	x.tidy()
	x.judge(oracle.Cut{}, r.Report, true)
	x.dismiss()
}

// etcdIs demands that a member of this minor serves, from files of this minor.
func (x *box) etcdIs(minor string) {
	x.t.Helper()
	if x.datastore != k3s.Etcd {
		return
	}
	words := []string{`"etcdserver":"` + minor + `.`, `"etcdcluster":"` + minor + `.0"`}
	if minor != "3.5" { // which does not tell yet
		words = append(words, `"storage":"`+minor+`.0"`)
	}
	// The cluster's version follows the member's within seconds.
	labtest.Until(x.t, 60*time.Second, "etcd to be of "+minor, func() bool {
		version := gateway(x.t, x.n, "/version", "")
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(version, word) })
	})
}

// TestBadReleaseOverAnotherMinorOfEtcd: the new release has migrated etcd's
// files, which the old one refuses, and dies. The old one is back on its own.
func TestBadReleaseOverAnotherMinorOfEtcd(t *testing.T) {
	t.Parallel()
	long(t)
	dies := badRelease{spec: bad.Spec{Kind: bad.DiesAfter, After: 20 * time.Second}, soak: "90s", step: "n1.soak", gate: "invocation", words: "k3s.service"}
	for i, step := range way[1:] {
		if from := way[i]; from.etcd != step.etcd {
			t.Run(from.etcd+" to "+step.etcd, func(t *testing.T) {
				t.Parallel()
				need(t, from.tag, step.tag)
				dies.goesBackTo(t, etcdLocal, from.tag, step.tag)
			})
		}
	}
}
