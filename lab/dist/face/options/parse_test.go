package options

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func config(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("K3S_CONFIG_FILE", filepath.Join(dir, "config.yaml"))
}

// TestUnknownKeyIsStripped: K3s loses such a key with one log line and goes on.
func TestUnknownKeyIsStripped(t *testing.T) {
	config(t, map[string]string{"config.yaml": "bogus: 1\nnode-name: n1\n"})
	var warned []string
	v, err := Parse(Server, "v1.36", nil, func(s string) { warned = append(warned, s) })
	if err != nil {
		t.Fatal(err)
	}
	if v.Text("node-name", "") != "n1" {
		t.Errorf("node-name is %q", v.Text("node-name", ""))
	}
	if !slices.Equal(warned, []string{"Unknown flag --bogus found in config.yaml, skipping\n"}) {
		t.Errorf("warnings %q", warned)
	}
}

func TestUnknownFlagOnTheCommandLineIsFatal(t *testing.T) {
	config(t, nil)
	if _, err := Parse(Server, "v1.36", []string{"--bogus"}, func(string) {}); err == nil {
		t.Error("no error")
	}
}

// TestFlagsComeWithTheirMinor: what 1.36 knows is unknown to 1.35.
func TestFlagsComeWithTheirMinor(t *testing.T) {
	config(t, map[string]string{"config.yaml": "helm-controller-arg: [a=b]\n"})
	for minor, want := range map[string]int{"v1.35": 1, "v1.36": 0} {
		var warned int
		if _, err := Parse(Server, minor, nil, func(string) { warned++ }); err != nil {
			t.Fatal(err)
		}
		if warned != want {
			t.Errorf("%s: %d warnings, want %d", minor, warned, want)
		}
	}
}

func TestLaterFileReplacesAndPlusAppends(t *testing.T) {
	config(t, map[string]string{
		"config.yaml":             "disable: [coredns]\ntls-san: a\nkubelet-arg: [x=1,y=2]\n",
		"config.yaml.d/10-a.yaml": "tls-san: b\ndisable+: [traefik]\n",
		"config.yaml.d/20-b.yaml": "tls-san: c\n",
	})
	v, err := Parse(Server, "v1.36", []string{"--token", "t"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"disable": "coredns traefik", "tls-san": "c", "kubelet-arg": "x=1 y=2", "token": "t"} {
		if got := strings.Join(v.List(name), " "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestAnnotationsOfTheCapture: the configuration of the captured server gives
// its node-args, byte for byte.
func TestAnnotationsOfTheCapture(t *testing.T) {
	config(t, map[string]string{"config.yaml": `node-ip: 10.77.0.11
kubelet-arg: ["fail-cgroupv1=false","eviction-hard=nodefs.available<1%,imagefs.available<1%"]
disable: [coredns, servicelb, traefik, local-storage, metrics-server]
disable-helm-controller: true
disable-network-policy: true
flannel-backend: none
`})
	v, err := Parse(Server, "v1.36", nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	v.env = nil // the captured server had no K3S_CONFIG_FILE
	got, err := v.Annotations()
	if err != nil {
		t.Fatal(err)
	}
	const want = `["server","--node-ip","10.77.0.11","--kubelet-arg","fail-cgroupv1=false","--kubelet-arg","eviction-hard=nodefs.available\u003c1%,imagefs.available\u003c1%","--disable","coredns","--disable","servicelb","--disable","traefik","--disable","local-storage","--disable","metrics-server","--disable-helm-controller","true","--disable-network-policy","true","--flannel-backend","none"]`
	if got["k3s.io/node-args"] != want {
		t.Errorf("node-args\n%s\nwant\n%s", got["k3s.io/node-args"], want)
	}
	if got["k3s.io/node-config-hash"] != "VDQKXZZLM5233GCMEILUQEAB6OSAIJXA3RXIJCXW355L22TIVOGA====" {
		t.Errorf("node-config-hash is %s", got["k3s.io/node-config-hash"])
	}
}

func TestSecretsAreMasked(t *testing.T) {
	config(t, nil)
	t.Setenv("K3S_AGENT_TOKEN", "hidden")
	v, err := Parse(Server, "v1.36", []string{"--token=hidden"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Annotations()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range got {
		if strings.Contains(value, "hidden") {
			t.Errorf("%s shows a secret: %s", name, value)
		}
	}
}

// TestAnAgentRefusesAnUnknownKey: what a server loses in silence ends an agent.
func TestAnAgentRefusesAnUnknownKey(t *testing.T) {
	config(t, map[string]string{"config.yaml": "node-name: n1\n", "config.yaml.d/10.yaml": "cluster-init: true\n"})
	_, err := Parse(Agent, "v1.36", nil, func(string) { t.Error("a warning") })
	if err == nil || err.Error() != "flag provided but not defined: -cluster-init" {
		t.Errorf("the error is %v", err)
	}
}

// TestEtcdSnapshotStripsWhatIsTheServers, one warning for each value, as in the capture.
func TestEtcdSnapshotStripsWhatIsTheServers(t *testing.T) {
	config(t, map[string]string{"config.yaml": "disable: [coredns, traefik]\netcd-snapshot-retention: 3\ntoken: t\n"})
	var warned int
	v, err := Parse(EtcdSnapshot, "v1.36", []string{"--name", "mine", "one", "--dir=/x", "two"}, func(string) { warned++ })
	if err != nil {
		t.Fatal(err)
	}
	if warned != 3 || v.Text("name", "") != "mine" || v.Text("etcd-snapshot-dir", "") != "/x" || v.Text("etcd-snapshot-retention", "") != "3" {
		t.Errorf("%d warnings, %+v", warned, v.said)
	}
	if !slices.Equal(v.Rest(), []string{"one", "two"}) {
		t.Errorf("the rest is %v", v.Rest())
	}
}
