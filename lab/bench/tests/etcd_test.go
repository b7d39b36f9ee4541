package tests

import (
	"strings"
	"testing"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

const etcdDir = k3s.DataDir + "/server/db/etcd"

// gateway asks the JSON gateway of the node's member, as Belay does.
func gateway(t *testing.T, n *node.Node, path, body string) string {
	t.Helper()
	tls := k3s.DataDir + "/server/tls/etcd"
	args := []string{"curl", "-sS", "--fail", "--cacert", tls + "/server-ca.crt", "--cert", tls + "/client.crt", "--key", tls + "/client.key"}
	if body != "" {
		args = append(args, "-X", "POST", "-d", body)
	}
	return labtest.Must(t, n, append(args, "https://127.0.0.1:2382"+path)...)
}

// TestEtcdComesBack: one server with embedded etcd keeps what was written over
// a restart, a power cut and an upgrade, with the same cluster id, and shows
// itself as K3s does.
func TestEtcdComesBack(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{Datastore: k3s.Etcd})
	labtest.Must(t, n, "k3s", "kubectl", "create", "configmap", "written")
	for _, word := range []string{`"etcdserver":"3.6.`, `"storage":"3.6.0"`} {
		if v := gateway(t, n, "/version", ""); !strings.Contains(v, word) {
			t.Errorf("/version without %s: %s", word, v)
		}
	}
	if health := labtest.Must(t, n, "curl", "-sS", "http://127.0.0.1:2381/health"); !strings.Contains(health, `"health":"true"`) {
		t.Errorf("health on 2381: %s", health)
	}
	modes := labtest.Must(t, n, "sh", "-c", "cd "+etcdDir+" && stat -c '%a %n' . config name member member/wal member/snap member/snap/db")
	if want := "700 .\n600 config\n600 name\n700 member\n700 member/wal\n700 member/snap\n600 member/snap/db"; modes != want {
		t.Errorf("modes\n%s\nwant\n%s", modes, want)
	}
	name := labtest.Must(t, n, "cat", etcdDir+"/name")
	shown := labtest.Must(t, n, "k3s", "kubectl", "get", "node", n.Name, "-o",
		`jsonpath={.metadata.annotations.etcd\.k3s\.cattle\.io/node-name} {.metadata.labels.node-role\.kubernetes\.io/etcd} {.status.conditions[?(@.type=="EtcdIsVoter")].status}`)
	if want := name + " true True"; shown != want {
		t.Errorf("the node shows %q, want %q", shown, want)
	}
	uid := clusterUID(t, n)
	again := func(what string) {
		t.Helper()
		if err := k3s.Wait(t.Context(), n); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, k3s.Log(t.Context(), n, 30))
		}
		labtest.Must(t, n, "k3s", "kubectl", "get", "configmap", "written")
		if now := clusterUID(t, n); now != uid {
			t.Errorf("%s: another cluster, %s instead of %s", what, now, uid)
		}
		if now := labtest.Must(t, n, "cat", etcdDir+"/name"); now != name {
			t.Errorf("%s: member %s instead of %s", what, now, name)
		}
	}
	labtest.Must(t, n, "systemctl", "restart", "k3s")
	again("a restart")
	if err := n.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	again("a power cut")
	// What is there decides: without the flag it goes on with etcd.
	labtest.Must(t, n, "sed", "-i", "/cluster-init/d", k3s.Config)
	swap(t.Context(), t, n, release.Default(), labtest.To)
	again("an upgrade without cluster-init")
	labtest.Must(t, n, "test", "!", "-e", k3s.DataDir+"/server/db/state.db")
}

// TestEtcdAloneAnswers: with every other component off, etcd and its gateway
// are up, which is how a datastore is worked on while no client may write.
func TestEtcdAloneAnswers(t *testing.T) {
	t.Parallel()
	long(t)
	n := labtest.K3s(t, labtest.From, lab.Options{Datastore: k3s.Etcd})
	if err := k3s.Stop(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	labtest.Must(t, n, "systemd-run", "--quiet", "--unit=alone", "--property=Type=notify", "--property=TimeoutStartSec=120", "k3s", "server",
		"--disable-apiserver", "--disable-controller-manager", "--disable-scheduler", "--disable-agent")
	if status := gateway(t, n, "/v3/maintenance/status", "{}"); !strings.Contains(status, `"revision"`) {
		t.Errorf("status of etcd alone: %s", status)
	}
	if ports := labtest.Must(t, n, "ss", "-ltnH"); strings.Contains(ports, ":10259") || strings.Contains(ports, ":10250") {
		t.Errorf("more than etcd listens:\n%s", ports)
	}
	labtest.Must(t, n, "systemctl", "stop", "alone")
	if err := k3s.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func clusterUID(t *testing.T, n *node.Node) string {
	t.Helper()
	return labtest.Must(t, n, "k3s", "kubectl", "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
}
