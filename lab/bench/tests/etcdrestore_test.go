package tests

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
)

const (
	dbDir        = k3s.DataDir + "/server/db"
	snapshotsDir = dbDir + "/snapshots"
)

// save takes a snapshot under a name of its own and returns the file's name.
func save(t *testing.T, n *node.Node, name string, more ...string) string {
	t.Helper()
	out := labtest.Must(t, n, append([]string{"sh", "-c", `"$@" 2>&1`, "-", "k3s", "etcd-snapshot", "save", "--name", name}, more...)...)
	found := regexp.MustCompile(`Snapshot (\S+) saved\.`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("etcd-snapshot save says\n%s", out)
	}
	return found[1]
}

// TestEtcdSnapshots: names, trailing hash, list, prune by prefix, delete; a
// client of the running server.
func TestEtcdSnapshots(t *testing.T) {
	t.Parallel()
	n := labtest.K3s(t, labtest.From, lab.Options{Datastore: k3s.Etcd})
	first := save(t, n, "belay-x")
	if !regexp.MustCompile(`^belay-x-` + n.Name + `-\d{10}$`).MatchString(first) {
		t.Errorf("the snapshot is called %s", first)
	}
	// etcd's own mark: SHA-256 of all before it, 32 bytes at the end.
	labtest.Must(t, n, "sh", "-ec", `cd `+snapshotsDir+`; size=$(stat -c %s $0); [ $((size % 512)) = 32 ]; [ "$(stat -c %a $0)" = 600 ]
		[ "$(head -c $((size - 32)) $0 | sha256sum | cut -c1-64)" = "$(tail -c 32 $0 | od -An -v -tx1 | tr -d ' \n')" ]`, first)
	labtest.Must(t, n, "sleep", "1.1") // names are told apart by the second
	second := save(t, n, "belay-x")
	var list struct {
		Items []struct {
			Spec   struct{ SnapshotName, Location string }
			Status struct {
				Size       string
				ReadyToUse bool
			}
		}
	}
	if err := json.Unmarshal([]byte(labtest.Must(t, n, "sh", "-c", "k3s etcd-snapshot ls -o json 2>/dev/null")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2 || list.Items[0].Spec.SnapshotName != first || list.Items[1].Spec.Location != "file://"+snapshotsDir+"/"+second || !list.Items[0].Status.ReadyToUse {
		t.Errorf("ls -o json: %+v", list)
	}
	labtest.Must(t, n, "k3s", "etcd-snapshot", "prune", "--name", "on-demand", "--snapshot-retention", "1")
	labtest.Must(t, n, "k3s", "etcd-snapshot", "prune", "--name", "belay-x", "--snapshot-retention", "1")
	if left := labtest.Must(t, n, "ls", snapshotsDir); left != second {
		t.Errorf("after prune there is %q, want %q", left, second)
	}
	labtest.Must(t, n, "k3s", "etcd-snapshot", "delete", second)
	if left := labtest.Must(t, n, "ls", snapshotsDir); left != "" {
		t.Errorf("after delete there is %q", left)
	}
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if res, err := n.Exec(t.Context(), "k3s", "etcd-snapshot", "save"); err != nil || res.Code == 0 {
		t.Errorf("a snapshot of a stopped server: code %d, %v", res.Code, err)
	}
}

// TestAnInterruptedRestoreIsDangerous shows both hazards of K3s' restore, which
// renames the datastore and then extracts the snapshot, and the restore itself.
func TestAnInterruptedRestoreIsDangerous(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{Datastore: k3s.Etcd})
	labtest.Must(t, n, "k3s", "kubectl", "create", "configmap", "written")
	uid := clusterUID(t, n)
	snapshot := snapshotsDir + "/" + save(t, n, "belay-y")
	labtest.Must(t, n, "k3s", "kubectl", "create", "configmap", "after-the-snapshot")
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}

	// After the first phase: an empty cluster in silence.
	labtest.Must(t, n, "mv", etcdDir, dbDir+"/etcd-old-1")
	if err := k3s.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if now := clusterUID(t, n); now == uid {
		t.Error("the cluster is the same one, with its datastore renamed away")
	}
	if found := labtest.Must(t, n, "k3s", "kubectl", "get", "configmap", "written", "--ignore-not-found"); found != "" {
		t.Errorf("an object in an empty cluster: %s", found)
	}
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}

	// In the middle of the second: the database is there, the log that belongs
	// to it is not. It starts for ever.
	labtest.Must(t, n, "sh", "-ec", `rm -rf `+etcdDir+`; mkdir -p -m 700 `+etcdDir+`/member/snap; cd `+etcdDir+`/member/snap
		head -c $(($(stat -c %s $0) - 32)) $0 > db; chmod 600 db`, snapshot)
	labtest.Must(t, n, "systemctl", "start", "--no-block", "k3s")
	stillStarting(t, n, "Failed to test etcd connection", 4)
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}

	// Whole, it brings back what the snapshot holds and nothing else.
	out := labtest.Must(t, n, "sh", "-c", `k3s server --cluster-reset --cluster-reset-restore-path=$0 2>&1`, snapshot)
	if !strings.Contains(out, "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now") {
		t.Errorf("the restore ended with\n%s", out[max(0, len(out)-2000):])
	}
	labtest.Must(t, n, "test", "-e", dbDir+"/reset-flag")
	if res, err := n.Exec(t.Context(), "k3s", "server", "--cluster-reset"); err != nil || res.Code == 0 || !strings.Contains(res.Stdout+res.Stderr, "previously reset") {
		t.Errorf("a second reset without a start in between: code %d, %v\n%s", res.Code, err, res.Stderr)
	}
	if err := k3s.Start(t.Context(), n); err != nil {
		t.Fatalf("%v\n%s", err, k3s.Log(t.Context(), n, 30))
	}
	if now := clusterUID(t, n); now != uid {
		t.Errorf("another cluster after the restore: %s instead of %s", now, uid)
	}
	labtest.Must(t, n, "k3s", "kubectl", "get", "configmap", "written")
	if found := labtest.Must(t, n, "k3s", "kubectl", "get", "configmap", "after-the-snapshot", "--ignore-not-found"); found != "" {
		t.Errorf("the snapshot holds what was written after it: %s", found)
	}
	labtest.Until(t, 30*time.Second, "the reset flag to go", func() bool {
		res, err := n.Exec(t.Context(), "test", "-e", dbDir+"/reset-flag")
		return err == nil && res.Code != 0
	})
	labtest.Must(t, n, "sh", "-c", "ls -d "+dbDir+"/etcd-old-* "+k3s.DataDir+"/server/tls-*")
}

// stillStarting waits until the unit has said a line so many times, and is not up yet.
func stillStarting(t *testing.T, n *node.Node, line string, times int) {
	t.Helper()
	labtest.Until(t, 90*time.Second, "K3s to say again and again: "+line, func() bool {
		return strings.Count(k3s.Log(t.Context(), n, 2000), line) >= times
	})
	s, err := k3s.Show(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if s.ActiveState != "activating" {
		t.Errorf("the unit is %s", s.ActiveState)
	}
}
