package tests

import (
	"strings"
	"testing"
	"time"

	"belay.dev/lab/bench/bad"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// TestBadReleases shows each fault once on one node, reset in between to the
// same good state.
func TestBadReleases(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{})
	if _, err := k3s.Kubectl(t.Context(), n, "create", "configmap", "mark"); err != nil {
		t.Fatal(err)
	}
	if err := n.Save(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	good, err := release.Default().Binary(labtest.To)
	if err != nil {
		t.Fatal(err)
	}
	for kind, see := range map[bad.Kind]func(*testing.T, *node.Node){
		bad.NeverReady: neverReady, bad.DiesAfter: diesAfter, bad.KubeletNever: kubeletNever,
		bad.NoStart: noStart, bad.RefusesKey: noStart, bad.EmptyDatastore: emptyDatastore,
	} {
		t.Run(string(kind), func(t *testing.T) {
			begin := time.Now()
			if err := n.Reset(t.Context(), "good"); err != nil {
				t.Fatal(err)
			}
			if err := n.Boot(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := k3s.Wait(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			t.Logf("reset, boot and Ready in %s", time.Since(begin).Round(100*time.Millisecond))
			releases := release.Dir(t.TempDir())
			spec := bad.Spec{Kind: kind, Tag: labtest.To, After: 3 * time.Second, Key: "disable-helm-controller"}
			if err := bad.Make(t.Context(), spec, good, releases); err != nil {
				t.Fatal(err)
			}
			looksGood(t, n, releases)
			swap(t.Context(), t, n, releases, labtest.To)
			see(t, n)
			if t.Failed() {
				t.Log(k3s.Log(t.Context(), n, 40))
			}
			// Whatever it did, it can be stopped, and leaves no helper behind.
			if err := k3s.Stop(t.Context(), n); err != nil {
				t.Error(err)
			}
			labtest.Until(t, 5*time.Second, "no process of the release to be left", func() bool {
				res, err := n.Exec(t.Context(), "pgrep", "-f", "lab-fault|k3s server|^kubelet|^containerd")
				return err == nil && res.Code == 1
			})
		})
	}
}

// looksGood: the file passes everything that one can ask of it without
// starting a server.
func looksGood(t *testing.T, n *node.Node, releases release.Dir) {
	t.Helper()
	if err := k3s.Place(t.Context(), n, releases, labtest.To, "/var/lib/staged"); err != nil {
		t.Fatal(err)
	}
	if v := labtest.Must(t, n, "/var/lib/staged", "--version"); !strings.Contains(v, labtest.To) {
		t.Fatalf("--version: %s", v)
	}
	labtest.Must(t, n, "env", "K3S_DATA_DIR=/var/lib/scratch", "/var/lib/staged", "kubectl", "version", "--client")
	inner := labtest.Must(t, n, "sh", "-c", "ls -d /var/lib/scratch/data/*/bin/k3s | grep -vE '/(current|previous)/'")
	if strings.Count(inner, "\n") != 0 || len(strings.Split(inner, "/")[5]) != 64 {
		t.Fatalf("extracted: %s", inner)
	}
	labtest.Must(t, n, "rm", "-rf", "/var/lib/staged", "/var/lib/scratch")
}

// runsInner: the main process is data/<hash>/bin/k3s, as of any release.
func runsInner(t *testing.T, n *node.Node) {
	t.Helper()
	labtest.Until(t, 60*time.Second, "the main process to be the inner k3s", func() bool {
		res, err := n.Exec(t.Context(), "sh", "-c", "readlink /proc/$(systemctl show -p MainPID --value k3s)/exe")
		return err == nil && strings.HasPrefix(res.Stdout, k3s.DataDir+"/data/") && strings.HasSuffix(strings.TrimSpace(res.Stdout), "/bin/k3s")
	})
}

func neverReady(t *testing.T, n *node.Node) {
	runsInner(t, n)
	labtest.Until(t, 90*time.Second, "an API that answers and is not ready", func() bool {
		_, err := k3s.Readyz(t.Context(), n)
		return err != nil && strings.Contains(err.Error(), "etcd-readiness")
	})
	// Half a minute is three times what a good start takes here.
	first, err := k3s.Show(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		s, err := k3s.Show(t.Context(), n)
		if err != nil || s.ActiveState != "activating" || s.MainPID != first.MainPID {
			t.Fatalf("it should run and not be ready: %+v, %v", s, err)
		}
		if body, err := k3s.Readyz(t.Context(), n); err == nil {
			t.Fatalf("ready: %s", body)
		}
	}
}

func diesAfter(t *testing.T, n *node.Node) {
	waitActive(t, n)
	begin := time.Now()
	labtest.Until(t, 15*time.Second, "it to die", func() bool {
		s, err := k3s.Show(t.Context(), n)
		return err == nil && s.ActiveState != "active"
	})
	t.Logf("died %s after ready was seen", time.Since(begin).Round(100*time.Millisecond))
	labtest.Until(t, 60*time.Second, "systemd to try again", func() bool {
		s, err := k3s.Show(t.Context(), n)
		return err == nil && s.NRestarts > 0
	})
}

func kubeletNever(t *testing.T, n *node.Node) {
	waitActive(t, n)
	runsInner(t, n)
	s, err := k3s.Show(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	green := false
	for end := time.Now().Add(32 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		renewed, err := k3s.LeaseRenewed(t.Context(), n)
		if err == nil && renewed.After(s.Started) {
			t.Fatalf("the lease was renewed at %s, the start was at %s", renewed, s.Started)
		}
		if _, err := k3s.Readyz(t.Context(), n); err == nil && k3s.Ready(t.Context(), n) {
			green = true
		}
	}
	now, err := k3s.Show(t.Context(), n)
	if err != nil || now.ActiveState != "active" || now.MainPID != s.MainPID {
		t.Errorf("the unit should stay green: %+v, %v", now, err)
	}
	if _, err := k3s.Readyz(t.Context(), n); err != nil {
		t.Errorf("the API should stay green: %v", err)
	}
	if !green {
		t.Error("readyz and the Node's Ready condition were never green together")
	}
	t.Logf("30 s after READY: unit and API green, Node Ready %v, no lease renewed since the start", k3s.Ready(t.Context(), n))
}

func noStart(t *testing.T, n *node.Node) {
	labtest.Until(t, 30*time.Second, "systemd to give it a second try", func() bool {
		s, err := k3s.Show(t.Context(), n)
		return err == nil && s.NRestarts > 0 && s.ActiveState != "active"
	})
}

func emptyDatastore(t *testing.T, n *node.Node) {
	if err := k3s.Wait(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	res, err := n.Exec(t.Context(), "k3s", "kubectl", "get", "configmap", "mark")
	if err != nil || res.Code == 0 || !strings.Contains(res.Stderr, "NotFound") {
		t.Errorf("green, but it should be another cluster: %+v, %v", res, err)
	}
	labtest.Must(t, n, "test", "-e", k3s.DataDir+"/server/db.lost/state.db")
}

func waitActive(t *testing.T, n *node.Node) {
	t.Helper()
	labtest.Until(t, 120*time.Second, "READY=1", func() bool {
		s, err := k3s.Show(t.Context(), n)
		return err == nil && s.ActiveState == "active"
	})
}
