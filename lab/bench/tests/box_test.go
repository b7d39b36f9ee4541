package tests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/belay"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

// box is one server with the old K3s, a workload and Belay in it, and the
// witnesses outside: a writer, a watcher, an inventory.
type box struct {
	t *testing.T
	n *node.Node
	b *belay.Belay
	c *oracle.Cluster

	datastore k3s.Datastore

	dir      string // of the writers' logs
	log      string // of the present one
	logs     int
	writer   *oracle.Writer
	follower *oracle.Follower
	before   oracle.Inventory
	// story is what earlier writers were told, on this very cluster.
	story []oracle.Attempt
	// ended gets the result of a program that soaking began.
	ended chan belay.Result
}

// workload is small and needs only an image that every K3s brings along.
const workload = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: till, image: "docker.io/rancher/mirrored-pause:3.6", imagePullPolicy: Never}]
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: shop, labels: {keep: me}, annotations: {note: "not ours"}}
stringData: {key: value}
`

// newBoxOver decides where Belay runs: "ssh" on the host, else in the node.
func newBoxOver(t *testing.T, opt lab.Options, link string) *box {
	t.Helper()
	return newBoxOf(t, labtest.From, opt, link)
}

// newBoxOf is newBoxOver for a release that is not the usual one.
func newBoxOf(t *testing.T, tag string, opt lab.Options, link string) *box {
	t.Helper()
	n := labtest.K3s(t, tag, opt)
	b, err := installed(t, n, link)
	if err != nil {
		t.Fatal(err)
	}
	x := &box{t: t, n: n, b: b, datastore: opt.Datastore, dir: t.TempDir(), c: connect(t, n)}
	x.offer(release.Default())
	if err := n.PutString(t.Context(), "/root/workload.yaml", 0o600, workload); err != nil {
		t.Fatal(err)
	}
	x.kubectl("apply", "-f", "/root/workload.yaml")
	for _, ns := range oracle.Namespaces {
		x.kubectl("create", "namespace", ns)
	}
	x.settle()
	t.Cleanup(x.dismiss)
	return x
}

// settle waits until the workload runs and nothing changes by itself any more:
// what a controller makes late would look like a difference.
func (x *box) settle() {
	x.t.Helper()
	labtest.Until(x.t, 60*time.Second, "the workload to be ready", func() bool {
		out, err := k3s.Kubectl(x.t.Context(), x.n, "get", "deployment", "till", "-n", "shop", "-o", "jsonpath={.status.readyReplicas}")
		return err == nil && out == "2"
	})
	var last oracle.Inventory
	labtest.Until(x.t, 60*time.Second, "the cluster to come to rest", func() bool {
		now, err := oracle.Take(x.t.Context(), x.c)
		if err != nil {
			return false
		}
		calm := last != nil && len(oracle.Diff(last, now)) == 0
		last = now
		if !calm {
			time.Sleep(time.Second) // between two looks, for a third
		}
		return calm
	})
}

// on makes the box speak to a subtest.
func (x *box) on(t *testing.T) *box {
	y := *x
	y.t = t
	t.Cleanup(y.dismiss)
	return &y
}

// goesOnFrom takes over what the witnesses of a subtest know: it was the same
// cluster.
func (x *box) goesOnFrom(y *box) { x.story, x.logs, x.before = y.story, y.logs, y.before }

func (x *box) offer(dir release.Dir) {
	x.t.Helper()
	if err := x.b.Offer(x.t.Context(), dir); err != nil {
		x.t.Fatal(err)
	}
}

// reset gives the node the disk that it had, and K3s its time to be well.
func (x *box) reset(save string) {
	x.t.Helper()
	if err := x.n.Reset(x.t.Context(), save); err != nil {
		x.t.Fatal(err)
	}
	if x.b.Coordinator != nil {
		if err := x.b.Coordinator.Reset(x.t.Context(), save); err != nil {
			x.t.Fatal(err)
		}
	}
	x.boot()
}

func (x *box) boot() {
	x.t.Helper()
	if err := x.n.Boot(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	if err := k3s.Wait(x.t.Context(), x.n); err != nil {
		x.t.Fatalf("K3s after the boot: %v\n%s", err, k3s.Log(x.t.Context(), x.n, 30))
	}
	x.offer(release.Default())
}

func (x *box) save(name string) {
	x.t.Helper()
	if err := x.n.Save(x.t.Context(), name); err != nil {
		x.t.Fatal(err)
	}
	if x.b.Coordinator != nil {
		if err := x.b.Coordinator.Save(x.t.Context(), name); err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x *box) kubectl(args ...string) string {
	x.t.Helper()
	return labtest.Must(x.t, x.n, append([]string{k3s.Binary, "kubectl"}, args...)...)
}

// witness begins to look from outside. The inventory is taken once per life of
// a cluster: before the run, not in the middle of it.
func (x *box) witness() {
	x.t.Helper()
	x.c = connect(x.t, x.n)
	if x.before == nil {
		x.before = take(x.t, x.c)
	}
	x.logs++
	x.log = filepath.Join(x.dir, fmt.Sprintf("writes-%d-%d", time.Now().UnixNano(), x.logs))
	var err error
	after := 0
	if len(x.story) > 0 {
		after = x.story[len(x.story)-1].Seq
	}
	if x.writer, err = oracle.StartWriterAfter(x.t.Context(), x.c, x.log, uint64(x.logs), after); err != nil {
		x.t.Fatal(err)
	}
	if x.follower, err = oracle.Follow(x.t.Context(), x.c); err != nil {
		x.t.Fatal(err)
	}
	attemptsGrow(x.t, x.log, oracle.Acknowledged)
}

// hush ends the present writer and adds what it was told to the story.
func (x *box) hush() {
	x.t.Helper()
	if err := x.writer.Stop(); err != nil {
		x.t.Fatal(err)
	}
	x.writer = nil
	list, err := oracle.ReadLogFile(x.log)
	if err != nil {
		x.t.Fatal(err)
	}
	x.story = append(append([]oracle.Attempt{}, x.story...), list...)
}

// dismiss sends the witnesses home, whatever became of the test.
func (x *box) dismiss() {
	if x.writer != nil {
		_ = x.writer.Stop()
		x.writer = nil
	}
	if x.follower != nil {
		x.follower.Stop()
		x.follower = nil
	}
}

// judge ends the testimony: every write acknowledged before the cut is there,
// every later one is in the report, nothing else differs, and the watcher ends
// with the server's state.
func (x *box) judge(cut oracle.Cut, report *belay.Report, upgraded bool) oracle.Verdict {
	x.t.Helper()
	attemptsGrow(x.t, x.log, oracle.Acknowledged) // it serves, and takes writes
	x.hush()
	if err := x.follower.Settle(x.t.Context(), 90*time.Second); err != nil {
		x.t.Error(err)
	}
	e := oracle.Evidence{Attempts: x.story, Cut: cut, Before: x.before, After: take(x.t, x.c), Upgraded: upgraded}
	if report != nil && report.Lost != nil {
		e.Losses = report.Lost.Objects
	}
	v := oracle.Judge(e)
	x.t.Logf("oracle: %v; %s", oracle.Tally(x.story), v)
	if !v.OK() {
		x.t.Fail()
	}
	if n := oracle.Tally(x.story); n[oracle.Acknowledged] < 30 {
		x.t.Errorf("too few writes to prove anything: %v", n)
	}
	return v
}

// run runs belay to its end and demands an exit code.
func (x *box) run(code int, args ...string) belay.Result {
	x.t.Helper()
	r, err := x.b.Run(x.t.Context(), args...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check(r, code, args...)
	return r
}

func (x *box) check(r belay.Result, code int, args ...string) {
	x.t.Helper()
	what := "belay " + strings.Join(args, " ")
	x.t.Logf("%s: exit %d after %s", what, r.Code, r.Took.Round(100*time.Millisecond))
	if r.Code != code {
		x.t.Fatalf("%s: exit %d, wanted %d\n%s\n%s", what, r.Code, code, clip(r.String(), 6000), x.story0())
	}
}

// story0 is the journal, for a message of a test that failed.
func (x *box) story0() string {
	run, err := x.b.LastRun(x.t.Context())
	if err != nil {
		return err.Error()
	}
	j, err := x.b.Journal(x.t.Context(), run)
	if err != nil {
		return err.Error()
	}
	log := strings.Split(k3s.Log(x.t.Context(), x.n, 12), "\n")
	for i := range log {
		log[i] = clip(log[i], 200)
	}
	return "journal of " + run + ":\n" + j.String() + "\nlog of K3s:\n" + strings.Join(log, "\n")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

func (x *box) journal() belay.Journal {
	x.t.Helper()
	run, err := x.b.LastRun(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	j, err := x.b.Journal(x.t.Context(), run)
	if err != nil {
		x.t.Fatal(err)
	}
	return j
}

// waitFor waits until the journal of the run that was begun last holds a
// record, and gives the run's id. since is the run before it, or empty.
func (x *box) waitFor(since, event, step string, limit time.Duration) string {
	x.t.Helper()
	var run string
	labtest.Until(x.t, limit, event+" of "+step+" in the journal", func() bool {
		var err error
		if run, err = x.b.LastRun(x.t.Context()); err != nil || run == since {
			return false
		}
		j, err := x.b.Journal(x.t.Context(), run)
		if err != nil {
			return false
		}
		_, there := j.Find(event, step)
		return there
	})
	return run
}

// life names the K3s process: a number that another process may get again, and
// the tick of its start that none can.
func (x *box) life() string {
	x.t.Helper()
	return labtest.Must(x.t, x.n, "sh", "-ec", `pid=$(systemctl show -p MainPID --value k3s)
		test "$pid" -gt 0; echo "$pid started at tick $(sed 's/.*) //' /proc/$pid/stat | cut -d' ' -f20)"`)
}

// tidy demands that nothing of Belay's that belongs to an open run is left.
func (x *box) tidy() {
	x.t.Helper()
	left := labtest.Must(x.t, x.n, "sh", "-c", `ls -d 2>/dev/null \
		/etc/systemd/system/k3s.service.d/50-belay-interlock.conf /etc/systemd/system/belay-guard.service \
		/etc/systemd/system/multi-user.target.wants/belay-guard.service /etc/systemd/system/belay-guard.timer \
		/etc/systemd/system/timers.target.wants/belay-guard.timer /etc/systemd/system/belay-lease.service /run/belay/lease \
		`+k3s.DataDir+`/.belay-* `+k3s.DataDir+`/*.partial `+belay.NodeState+`/runs/*/reserve `+belay.NodeState+`/backups/*.partial
		systemctl show -p NeedDaemonReload --value k3s | grep -v '^no$'; true`)
	if left != "" {
		x.t.Errorf("left of a run that is over:\n%s", left)
	}
	if objects := x.kubectl("get", "pods,configmaps", "-A", "-o", "name"); strings.Contains(objects, "belay") {
		x.t.Errorf("canaries left in the cluster:\n%s", objects)
	}
}

// long is for what another test shows as well, in another mixture: only with
// --all.
func long(t *testing.T) {
	t.Helper()
	if !all() {
		t.Skip("takes long: ./dev test --all")
	}
}

func all() bool { return os.Getenv("BELAY_TEST_ALL") != "" }

// needCrash gives the box the build that can be killed at its own records.
func (x *box) needCrash() {
	x.t.Helper()
	if err := x.b.InstallCrash(x.t.Context()); errors.Is(err, fs.ErrNotExist) {
		x.t.Fatalf("%v (./dev test builds it)", err)
	} else if err != nil {
		x.t.Fatal(err)
	}
}
