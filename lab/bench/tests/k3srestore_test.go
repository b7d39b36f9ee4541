package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
)

const (
	restoredWhole = "the snapshot's cluster"
	emptyCluster  = "an empty cluster"
	startsForEver = "starts for ever"
)

// TestK3sOwnRestoreKilled is TestRestoreHazard without Belay: the node dies
// inside K3s' own restore and is booted. It is why Belay makes a directory of
// its own and exchanges it under a marker: here some boots end in an empty
// cluster or in none, and the test fails if none does, because then its kills
// show nothing.
func TestK3sOwnRestoreKilled(t *testing.T) {
	t.Parallel()
	long(t)
	opt := imaged
	opt.Datastore = k3s.Etcd
	n := labtest.K3s(t, labtest.From, opt)
	labtest.Must(t, n, "k3s", "kubectl", "create", "configmap", "written")
	uid := clusterUID(t, n)
	snapshot := snapshotsDir + "/" + save(t, n, "belay-z")
	labtest.Must(t, n, "systemctl", "disable", "--now", "k3s")
	if err := n.Save(t.Context(), "stopped"); err != nil {
		t.Fatal(err)
	}
	length := restoredByK3s(t, n, snapshot, 0)
	if what := bootedInto(t, n, uid); what != restoredWhole {
		t.Errorf("undisturbed, K3s' own restore leads to %s", what)
	}
	found := map[string]int{}
	for i := range hazardPoints {
		delay := length * time.Duration(2*i+1) / (2 * hazardPoints)
		restoredByK3s(t, n, snapshot, max(delay, 1))
		what := bootedInto(t, n, uid)
		found[what]++
		t.Logf("killed %s after the rename: %s", delay.Round(time.Millisecond), what)
	}
	var parts []string
	for what, times := range found {
		parts = append(parts, fmt.Sprintf("%s %d", what, times))
	}
	sort.Strings(parts)
	t.Logf("restore hazard: K3s' own restore, %d kill points in the %s after its rename, each booted into: %s",
		hazardPoints, length.Round(time.Millisecond), strings.Join(parts, ", "))
	if found[emptyCluster]+found[startsForEver] == 0 {
		t.Error("no kill inside K3s' own restore did any harm: the moments are badly chosen")
	}
}

// restoredByK3s runs K3s' own restore on the saved node and cuts its power so
// long after the datastore was renamed away; with 0 it does not, and gives the
// time from there until K3s says that the snapshot is in place.
func restoredByK3s(t *testing.T, n *node.Node, snapshot string, delay time.Duration) time.Duration {
	t.Helper()
	if err := n.Reset(t.Context(), "stopped"); err != nil {
		t.Fatal(err)
	}
	if err := n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	labtest.Must(t, n, "systemctl", "enable", "k3s")
	db, err := n.HostPath(dbDir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(t.Context(), "k3s", "server", "--cluster-reset", "--cluster-reset-restore-path="+snapshot)
	if err != nil {
		t.Fatal(err)
	}
	spin(t, "K3s to rename the datastore", func() bool {
		old, _ := filepath.Glob(db + "/etcd-old-*")
		return len(old) > 0
	})
	begun := time.Now()
	if delay > 0 {
		time.Sleep(delay) // not a condition: the moment is the test
		if err := n.PowerCut(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = p.Wait()
		return delay
	}
	spin(t, "the snapshot to be in place", func() bool {
		_, err := os.Stat(db + "/reset-flag")
		return err == nil
	})
	took := time.Since(begun)
	if code, err := p.Wait(); err != nil || code != 0 {
		t.Fatalf("K3s' own restore: exit %d, %v\n%s", code, err, clip(p.Out.String(), 3000))
	}
	return took
}

// bootedInto cuts the power, boots the node and says what its K3s becomes.
func bootedInto(t *testing.T, n *node.Node, uid string) string {
	t.Helper()
	if err := n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	if err := k3s.Wait(ctx, n); err != nil {
		if log := k3s.Log(t.Context(), n, 2000); strings.Count(log, "Failed to test etcd connection") < 2 {
			t.Errorf("K3s is not up, for another reason than the one that is shown here: %v\n%s", err, k3s.Log(t.Context(), n, 20))
		}
		return startsForEver
	}
	if clusterUID(t, n) != uid || labtest.Must(t, n, "k3s", "kubectl", "get", "configmap", "written", "--ignore-not-found") == "" {
		return emptyCluster
	}
	return restoredWhole
}
