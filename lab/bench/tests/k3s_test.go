package tests

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/oracle"
	"belay.dev/lab/bench/release"
)

func connect(t *testing.T, n *node.Node) *oracle.Cluster {
	t.Helper()
	kubeconfig, err := k3s.AdminConfig(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	c, err := oracle.Connect(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func take(t *testing.T, c *oracle.Cluster) oracle.Inventory {
	t.Helper()
	inv, err := oracle.Take(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestTheInstallIsTheInstallers compares with what install.sh leaves.
func TestTheInstallIsTheInstallers(t *testing.T) {
	t.Parallel()
	n := labtest.K3s(t, labtest.From, lab.Options{})
	got := labtest.Must(t, n, "sh", "-c", `cd /usr/local/bin; stat -c '%a %n' k3s /etc/systemd/system/k3s.service.env /etc/rancher/k3s/config.yaml
		for l in kubectl crictl ctr; do readlink $l; done; systemctl is-enabled k3s; systemctl is-active k3s`)
	if want := "755 k3s\n600 /etc/systemd/system/k3s.service.env\n644 /etc/rancher/k3s/config.yaml\nk3s\nk3s\nk3s\nenabled\nactive"; got != want {
		t.Errorf("installed:\n%s\nwant:\n%s", got, want)
	}
	show := labtest.Must(t, n, "systemctl", "show", "k3s", "-p", "Type,KillMode,Restart,RestartUSec,TimeoutStartUSec,TimeoutStopUSec,Delegate")
	for _, line := range []string{"Type=notify", "KillMode=process", "Restart=always", "RestartUSec=5s", "TimeoutStartUSec=infinity", "TimeoutStopUSec=1min 30s", "Delegate=yes"} {
		if !strings.Contains(show, line) {
			t.Errorf("unit without %s:\n%s", line, show)
		}
	}
	exe := labtest.Must(t, n, "sh", "-c", "readlink /proc/$(systemctl show -p MainPID --value k3s)/exe")
	if !strings.HasPrefix(exe, k3s.DataDir+"/data/") || !strings.HasSuffix(exe, "/bin/k3s") {
		t.Errorf("K3s runs from %s", exe)
	}
	if v := labtest.Must(t, n, "k3s", "--version"); !strings.Contains(v, labtest.From) {
		t.Errorf("version %s", v)
	}
}

// TestTheOracleAcceptsRestarts is the measure of the oracle's ignore list: a
// bare restart and a power cut lose and change nothing that counts.
func TestTheOracleAcceptsRestarts(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{})
	c := connect(t, n)
	log := filepath.Join(t.TempDir(), "writes")
	w, err := oracle.StartWriter(t.Context(), c, log, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := oracle.Follow(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	before := take(t, c)
	labtest.Must(t, n, "systemctl", "restart", "k3s")
	if err := k3s.Wait(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if err := n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k3s.Wait(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	t.Logf("power cut: K3s is up and the node Ready %s after the power came back", time.Since(begin).Round(100*time.Millisecond))
	attemptsGrow(t, log, oracle.Acknowledged)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := f.Settle(t.Context(), 90*time.Second); err != nil {
		t.Error(err)
	}
	list, err := oracle.ReadLogFile(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(oracle.Tally(list))
	v := oracle.Judge(oracle.Evidence{Attempts: list, Before: before, After: take(t, c)})
	t.Log(v)
	if !v.OK() {
		t.Fail()
	}
	if n := oracle.Tally(list); n[oracle.Acknowledged] < 50 || n[oracle.Acknowledged] == len(list) {
		t.Errorf("the writer saw no outage or no service: %v", n)
	}
}

// attemptsGrow waits until ten more writes had this outcome.
func attemptsGrow(t *testing.T, log string, outcome oracle.Outcome) {
	t.Helper()
	count := func() int {
		list, err := oracle.ReadLogFile(log)
		if err != nil {
			return 0 // a line half written
		}
		return oracle.Tally(list)[outcome]
	}
	from := count()
	labtest.Until(t, 30*time.Second, "more writes "+string(outcome), func() bool { return count() >= from+10 })
}

// TestTheOracleSeesALoss rolls a stopped copy back by hand, the naive way, and
// expects the oracle to find exactly what that does: writes gone unsaid, and
// revisions that run backwards for a client.
func TestTheOracleSeesALoss(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{})
	c := connect(t, n)
	log := filepath.Join(t.TempDir(), "writes")
	w, err := oracle.StartWriter(t.Context(), c, log, 2)
	if err != nil {
		t.Fatal(err)
	}
	attemptsGrow(t, log, oracle.Acknowledged)
	before := take(t, c)
	cut := oracle.Cut{Stop: time.Now()}
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	cut.Stopped = time.Now()
	labtest.Must(t, n, "cp", "-a", k3s.DataDir+"/server", k3s.DataDir+"/server.keep")
	if err := k3s.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	attemptsGrow(t, log, oracle.Acknowledged)
	// A client of the line that is about to be abandoned; alive, so that its
	// revision is the highest that this line has.
	f, err := oracle.Follow(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	for range 3 { // enough revisions that the old line does not catch up soon
		attemptsGrow(t, log, oracle.Acknowledged)
	}
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	seen := f.Revision()
	cut.Back = time.Now()
	labtest.Must(t, n, "sh", "-ec", "cd "+k3s.DataDir+" && mv server server.lost && mv server.keep server")
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := k3s.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	list, err := oracle.ReadLogFile(log)
	if err != nil {
		t.Fatal(err)
	}
	after := take(t, c)
	v := oracle.Judge(oracle.Evidence{Attempts: list, Cut: cut, Before: before, After: after})
	if v.OK() || !strings.Contains(v.String(), "is not in the report") {
		t.Fatalf("writes went unsaid, and the oracle says: %s", v)
	}
	t.Logf("%d losses seen, the first: %s", len(v.Violations), v.Violations[0])
	honest := oracle.Judge(oracle.Evidence{Attempts: list, Cut: cut, Before: before, After: after, Losses: confess(v)})
	if !honest.OK() {
		t.Errorf("with an honest report: %s", honest)
	}
	res, err := oracle.WatchFrom(t.Context(), c, seen+1000, 3*time.Second)
	if err != nil || res.Gone || res.Events > 0 {
		t.Errorf("a watch from a revision of the abandoned line should hang here: %+v, %v", res, err)
	}
}

// confess turns the violations into the report that should have been given.
func confess(v oracle.Verdict) []oracle.Loss {
	var losses []oracle.Loss
	for _, line := range v.Violations {
		key, rest, _ := strings.Cut(line, ": ")
		ns, name, _ := strings.Cut(strings.TrimPrefix(key, "configmaps "), "/")
		for _, change := range []string{"created", "changed", "deleted"} {
			if strings.HasPrefix(rest, "was "+change) {
				losses = append(losses, oracle.Loss{Resource: "configmaps", Namespace: ns, Name: name, Change: change})
			}
		}
	}
	return losses
}

// swap stops K3s, places another release at the live path and starts it, as
// an administrator in a hurry would.
func swap(ctx context.Context, t *testing.T, n *node.Node, releases release.Dir, tag string) {
	t.Helper()
	if err := k3s.Stop(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := k3s.Place(ctx, n, releases, tag, k3s.Binary); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Must(ctx, "systemctl", "start", "--no-block", "k3s"); err != nil {
		t.Fatal(err)
	}
}
