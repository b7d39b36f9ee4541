package tests

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// The fixtures are excerpts of what K3s v1.36.1+k3s1 showed as a server with
// embedded etcd, with addresses, names and times replaced. lab/dist/prove does
// the like for the files of a server with SQLite.

// gaps is what only the bench's distribution lacks, by fixture, and why
// (lab/dist/README.md). A real K3s has to match without them.
var gaps = map[string][]string{
	"ports": {
		"127.0.0.1:10010",                    // containerd
		"127.0.0.1:10249", "127.0.0.1:10256", // kube-proxy
		"127.0.0.1:10258", // cloud controller
	},
}

// realGaps is where a real release may differ from the captured build: one
// built without charts has no server/static, and the cloud controller's port
// opens when its leader election is won.
var realGaps = []string{"drwx------ server/static", "drwx------ server/static/charts", "127.0.0.1:10258"}

// extra is what a real release of another build may have besides.
var extra = regexp.MustCompile(`^(\[::1\]:6444|-rw------- server/manifests/(coredns|local-storage|traefik)\.yaml)$`)

func fixture(t *testing.T, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "face", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// compare reports what is in only one of the two.
func compare(t *testing.T, name string, got, want []string) {
	t.Helper()
	lacks := gaps[name]
	if release.Real() {
		lacks = realGaps
	}
	for _, line := range want {
		if !slices.Contains(got, line) && !slices.Contains(lacks, line) {
			t.Errorf("%s: K3s has, and this not: %s", name, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) && !(release.Real() && extra.MatchString(line)) {
			t.Errorf("%s: this has, and K3s not: %s", name, line)
		}
	}
}

// TestTheFaceIsThatOfTheCapture: files and modes, etcd's configuration, ports,
// certificates, JSON of the gateway, node and commands of a server with etcd.
func TestTheFaceIsThatOfTheCapture(t *testing.T) {
	t.Parallel()
	n := labtest.K3s(t, labtest.To, lab.Options{Datastore: k3s.Etcd})
	labtest.Must(t, n, "systemctl", "restart", "k3s") // the captured member was not a new one
	if err := k3s.Wait(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	member := labtest.Must(t, n, "cat", etcdDir+"/name")
	same := strings.NewReplacer(member, "MEMBER", n.Address, "ADDRESS")
	lines := func(command string) []string {
		return strings.Split(same.Replace(labtest.Must(t, n, "sh", "-c", command)), "\n")
	}
	compare(t, "server-tree", lines(`find `+k3s.DataDir+` -maxdepth 5 -path '*/server*' -not -path '*/charts/*' -not -path '*/data/*' -not -path '*/agent/*' -printf '%M %P\n'`), fixture(t, "server-tree"))
	compare(t, "etcd-config", lines("cat "+etcdDir+"/config"), fixture(t, "etcd-config"))
	compare(t, "ports", lines(`ss -ltnH | awk '$4 !~ /:22$/ { print $4 }' | sort -u`), fixture(t, "ports"))
	compare(t, "certificate-check", certificates(t, n), fixture(t, "certificate-check"))

	for path, want := range map[string]string{
		"/version":                  "etcdcluster etcdserver storage",
		"/health":                   "health reason",
		"/v3/cluster/member/list":   "header members",
		"/v3/maintenance/status":    "dbSize dbSizeInUse dbSizeQuota downgradeInfo header leader raftAppliedIndex raftIndex raftTerm storageVersion version",
		"/v3/maintenance/hash":      "hash header",
		"/v3/maintenance/alarm":     "header",
		"/v3/kv/range":              "header",
		"/v3/maintenance/downgrade": "header version",
	} {
		body := map[string]string{"/v3/kv/range": `{"key":"AA=="}`, "/v3/maintenance/alarm": `{"action":"GET"}`,
			"/v3/maintenance/downgrade": `{"action":"VALIDATE","version":"3.5.0"}`}[path]
		if body == "" && strings.HasPrefix(path, "/v3/") {
			body = "{}"
		}
		var answer map[string]any
		if err := json.Unmarshal([]byte(gateway(t, n, path, body)), &answer); err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got := strings.Join(slices.Sorted(maps.Keys(answer)), " "); got != want {
			t.Errorf("%s answers %s, K3s %s", path, got, want)
		}
	}
	shows(t, n)
}

// certificates is what `certificate check` says, one line for each.
func certificates(t *testing.T, n *node.Node) []string {
	t.Helper()
	out := labtest.Must(t, n, "sh", "-c", "k3s certificate check 2>&1")
	said := regexp.MustCompile(`msg="(.*)"`)
	var all []string
	for _, line := range strings.Split(out, "\n") {
		found := said.FindStringSubmatch(line)
		if found == nil || strings.Contains(line, "level=warning") {
			continue
		}
		text := regexp.MustCompile(`@\d+`).ReplaceAllString(found[1], "@TIME")
		text = regexp.MustCompile(`expires at .*`).ReplaceAllString(text, "expires at TIME")
		text = strings.ReplaceAll(text, "system:node:"+n.Name, "system:node:NODE")
		all = append(all, strings.ReplaceAll(text, "certificate "+n.Name+" ", "certificate NODE "))
	}
	return all
}

// shows compares what the Node and the commands tell.
func shows(t *testing.T, n *node.Node) {
	t.Helper()
	var object struct {
		Metadata struct{ Annotations, Labels map[string]string }
	}
	if err := json.Unmarshal([]byte(labtest.Must(t, n, "k3s", "kubectl", "get", "node", n.Name, "-o", "json")), &object); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"etcd.k3s.cattle.io/node-name", "etcd.k3s.cattle.io/node-address", "etcd.k3s.cattle.io/local-snapshots-timestamp",
		"k3s.io/hostname", "k3s.io/internal-ip", "k3s.io/node-args", "k3s.io/node-config-hash", "k3s.io/node-env"} {
		if object.Metadata.Annotations[key] == "" {
			t.Errorf("the node has no annotation %s", key)
		}
	}
	for _, key := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/etcd"} {
		if object.Metadata.Labels[key] != "true" {
			t.Errorf("label %s is %q", key, object.Metadata.Labels[key])
		}
	}
	if got := labtest.Must(t, n, "sh", "-c", "k3s secrets-encrypt status 2>/dev/null"); got != "Encryption Status: Disabled, no configuration file found" {
		t.Errorf("secrets-encrypt status: %s", got)
	}
	head, _, _ := strings.Cut(labtest.Must(t, n, "sh", "-c", "k3s etcd-snapshot ls 2>/dev/null"), "\n")
	if got := strings.Join(strings.Fields(head), " "); got != "Name Location Size Created" {
		t.Errorf("etcd-snapshot ls begins with %s", got)
	}
	codes := labtest.Must(t, n, "sh", "-c", `for p in /ping /cacerts /readyz /v1-k3s/readyz /v1-k3s/config; do curl -sk -o /dev/null -w '%{http_code} ' "https://127.0.0.1:6443$p"; done`)
	if codes != "200 200 401 403 403" {
		t.Errorf("answers to nobody: %s", codes)
	}
	warned := labtest.Must(t, n, "sh", "-c", "k3s etcd-snapshot ls 2>&1 | grep -c 'Unknown flag --.* found in config.yaml, skipping'")
	if warned != "12" { // one for each value of the box's config.yaml that only a server knows
		t.Errorf("%s warnings, want 12", warned)
	}
}
