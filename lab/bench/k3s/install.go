// Package k3s puts K3s into a node exactly as its installer leaves it, and
// waits for it with the words that systemd and Kubernetes have for "ready".
package k3s

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/release"
)

// Paths that the installer uses.
const (
	Binary     = "/usr/local/bin/k3s"
	DataDir    = "/var/lib/rancher/k3s"
	Config     = "/etc/rancher/k3s/config.yaml"
	Kubeconfig = "/etc/rancher/k3s/k3s.yaml"
	Unit       = "/etc/systemd/system/k3s.service"
	UnitEnv    = Unit + ".env"
)

// unit is what install.sh writes, verbatim.
//
//go:embed k3s.service
var unit string

// oomDropIn: the workplaces that run this bench lack CAP_SYS_RESOURCE, so
// containerd may not lower an OOM score below its own.
const oomDropIn = `version = 3
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
`

// config is one server without add-ons, the shape of the captures: cgroup v1
// is allowed, and a nearly full host disk does not evict the test's pods.
func config(address string, extra []string) string {
	lines := append([]string{
		"node-ip: " + address,
		`kubelet-arg: ["fail-cgroupv1=false","eviction-hard=nodefs.available<1%,imagefs.available<1%"]`,
		"disable: [coredns, servicelb, traefik, local-storage, metrics-server]",
		"disable-helm-controller: true",
		"disable-network-policy: true",
		"flannel-backend: none",
	}, extra...)
	return strings.Join(lines, "\n") + "\n"
}

// Options of an installation.
type Options struct {
	// Datastore is made at the first start; later ones go on with what is there.
	Datastore Datastore
	// Config is appended to config.yaml, one line each.
	Config []string
}

// Install places a release in a running node and enables the unit. It does
// not start it.
func Install(ctx context.Context, n *node.Node, releases release.Dir, tag string, opt Options) error {
	if err := Place(ctx, n, releases, tag, Binary); err != nil {
		return err
	}
	if _, err := n.Must(ctx, "sh", "-c",
		`for l in kubectl crictl ctr; do ln -sf k3s "/usr/local/bin/$l"; done`); err != nil {
		return err
	}
	files := []struct {
		path, text string
		mode       uint32
	}{
		{Unit, unit, 0o644},
		{UnitEnv, "", 0o600},
		{Config, config(n.Address, append(opt.Datastore.config(), opt.Config...)), 0o644},
		{DataDir + "/agent/etc/containerd/config-v3.toml.d/oom.toml", oomDropIn, 0o644},
	}
	for _, f := range files {
		if err := n.PutString(ctx, f.path, nodeMode(f.mode), f.text); err != nil {
			return err
		}
	}
	if images := releases.Images(tag); images != "" {
		name := images[strings.LastIndex(images, "/")+1:]
		if err := n.PutFile(ctx, images, DataDir+"/agent/images/"+name, 0o644); err != nil {
			return err
		}
	}
	if release.Real() {
		if err := plainPodNetwork(ctx, n); err != nil {
			return err
		}
	}
	_, err := n.Must(ctx, "sh", "-c", "systemctl daemon-reload && systemctl enable --quiet k3s")
	return err
}

// Place puts the binary of a release at a path of the node, 0755.
func Place(ctx context.Context, n *node.Node, releases release.Dir, tag, path string) error {
	bin, err := releases.Binary(tag)
	if err != nil {
		return err
	}
	return n.PutFile(ctx, bin, path, 0o755)
}

// plainPodNetwork stands in for flannel, which the captures' configuration
// turns off: without any network a real kubelet never says Ready. One bridge
// in the node, with the plugins that the release carries.
func plainPodNetwork(ctx context.Context, n *node.Node) error {
	const conf = `{"cniVersion":"1.0.0","name":"lab","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,
  "ipam":{"type":"host-local","subnet":"10.42.0.0/24","routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
`
	if err := n.PutString(ctx, "/etc/cni/net.d/10-lab.conflist", 0o644, conf); err != nil {
		return err
	}
	_, err := n.Must(ctx, "sh", "-c",
		`mkdir -p /opt/cni/bin; for p in bridge host-local loopback portmap; do
			ln -sf `+DataDir+`/data/current/bin/$p /opt/cni/bin/$p; done`)
	return err
}

// Up is Install, start and wait: what `./dev lab up` does.
func Up(ctx context.Context, n *node.Node, releases release.Dir, tag string, opt Options) error {
	if err := Install(ctx, n, releases, tag, opt); err != nil {
		return err
	}
	if err := Start(ctx, n); err != nil {
		return fmt.Errorf("start K3s on %s: %w\n%s", n.Name, err, Log(ctx, n, 30))
	}
	return nil
}
