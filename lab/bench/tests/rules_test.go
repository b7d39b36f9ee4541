package tests

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"belay.dev/lab/bench/lab"
	"belay.dev/lab/bench/labtest"
)

// harm is one thing on a node or in its cluster that rules are about: how it
// is brought about, how it is taken away, and which rules say so.
type harm struct {
	rules    []string
	red, end string
}

// dropIn is the configuration of harms: K3s is not started again, so it does
// nothing but lie there.
const dropIn = `disable-agent: true
cluster-init: true
cluster-reset: true
a-key-of-nobody: 1
disable: [coredns, servicelb, traefik, local-storage, metrics-server, teapot]
docker: true
flannel-backend: wireguard
helm-job-image: registry.example/klipper-helm:v0.9
server: https://192.0.2.1:6443
pause-image: registry.example/pause:3.6
system-default-registry: registry.example
rootless: true
tls-san-security: false
write-kubeconfig-mode: "0644"
kubelet-arg:
  - read-only-port=10255
  - runonce=true
  - register-schedulable=true
  - pod-infra-container-image=registry.example/pause:3.6
  - feature-gates=SeccompDefault=true,RemoveSelfLink=true,KMSv2=true,CPUManager=true
kube-apiserver-arg:
  - authorization-mode=AlwaysAllow
  - anonymous-auth=true
  - enable-admission-plugins=AlwaysPullImages
  - insecure-port=0
  - cloud-provider=external
kube-controller-manager-arg:
  - pod-eviction-timeout=1m
  - log-dir=/var/log/k3s
kube-proxy-arg:
  - proxy-mode=ipvs
  - proxy-port-range=0-0
`

const objects = `apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: default}
spec:
  nodeSelector: {nowhere: "true"}
  containers: [{name: a, image: registry.example/a:1}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: unanswered.harm.example}
webhooks:
  - name: unanswered.harm.example
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    rules: [{apiGroups: [nobody.example], apiVersions: [v1], operations: [CREATE], resources: [things]}]
    clientConfig: {service: {namespace: default, name: nobody, path: /}}
`

var harms = []harm{
	{
		rules: strings.Fields(`belay-agentless-server belay-cluster-init-migrates belay-cluster-reset-left belay-config-key-ignored
			belay-config-key-overridden belay-disable-item-unknown belay-docker-runtime
			belay-flannel-wireguard-gone belay-helm-job-image-deprecated belay-join-url-on-server belay-pause-image-pinned
			belay-registry-must-have-images belay-rootless belay-tls-san-security-off belay-kubeconfig-readable
			belay-kubelet-read-only-port-open belay-kubelet-flags-gone-1-32 belay-kubelet-flags-gone-1-34 belay-kubelet-flags-gone-1-35
			belay-gates-gone-1-29 belay-gates-gone-1-33 belay-apiserver-always-allow belay-apiserver-anonymous-auth
			belay-apiserver-admission-replaced belay-apiserver-flags-gone-1-24 belay-apiserver-flags-gone-1-33
			belay-controller-flags-gone-1-27 belay-klog-flags-gone-1-26 belay-kube-proxy-ipvs-deprecated belay-kube-proxy-flags-gone-1-31
			belay-config-changed-since-start`),
		red: "mkdir -p /etc/rancher/k3s/config.yaml.d && cp /root/harm.yaml /etc/rancher/k3s/config.yaml.d/90-harm.yaml",
		end: "rm /etc/rancher/k3s/config.yaml.d/90-harm.yaml",
	},
	{
		rules: strings.Fields("belay-flag-cluster-secret-gone belay-flag-disable-selinux-gone belay-flag-no-deploy-gone belay-flag-no-flannel-gone belay-unit-changed-since-start"),
		red: `mkdir -p /etc/systemd/system/k3s.service.d && printf '[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s server ` +
			`--no-deploy traefik --no-flannel --cluster-secret old --disable-selinux\n' > /etc/systemd/system/k3s.service.d/90-harm.conf && systemctl daemon-reload`,
		end: "rm /etc/systemd/system/k3s.service.d/90-harm.conf && systemctl daemon-reload",
	},
	{
		rules: []string{"belay-unit-not-enabled"},
		red:   "systemctl disable k3s.service",
		end:   "systemctl enable k3s.service",
	},
	{
		rules: []string{"belay-containerd-drop-in-unread"},
		red:   "mkdir -p /var/lib/rancher/k3s/agent/etc/containerd/config.toml.d && touch /var/lib/rancher/k3s/agent/etc/containerd/config.toml.d/harm.toml",
		end:   "rm /var/lib/rancher/k3s/agent/etc/containerd/config.toml.d/harm.toml",
	},
	{
		rules: []string{"belay-node-unschedulable"},
		red:   "/usr/local/bin/k3s kubectl cordon n1",
		end:   "/usr/local/bin/k3s kubectl uncordon n1",
	},
	{
		rules: []string{"belay-bare-pods", "belay-webhook-unanswered"},
		red:   "/usr/local/bin/k3s kubectl apply -f /root/objects.yaml",
		end:   "/usr/local/bin/k3s kubectl delete --force --grace-period=0 -f /root/objects.yaml",
	},
	{ // The last one: what lies there cannot be started until it is over.
		rules: []string{"belay-file-system-no-exec"},
		red:   "cd /var/lib/rancher/k3s && mount --bind . . && mount -o remount,bind,noexec /var/lib/rancher/k3s",
		end:   "umount --lazy /var/lib/rancher/k3s",
	},
}

// TestRulesOnANode: rules see on a living node what their fixtures say, and
// nothing of it before and after.
func TestRulesOnANode(t *testing.T) {
	t.Parallel()
	x := newBox(t, lab.Options{})
	for path, text := range map[string]string{"/root/harm.yaml": dropIn, "/root/objects.yaml": objects} {
		if err := x.n.PutString(t.Context(), path, 0o600, text); err != nil {
			t.Fatal(err)
		}
	}
	var rules []string
	for _, h := range harms {
		rules = append(rules, h.rules...)
	}
	if len(rules) < 25 {
		t.Fatalf("%d rules are not 25", len(rules))
	}
	before := x.saysYes()
	for _, h := range harms {
		labtest.Must(t, x.n, "sh", "-c", h.red)
	}
	during := x.saysYes()
	for _, h := range slices.Backward(harms) {
		labtest.Must(t, x.n, "sh", "-c", h.end)
	}
	after := x.saysYes()
	for _, rule := range rules {
		if slices.Contains(before, rule) || slices.Contains(after, rule) {
			t.Errorf("%s is red on a node without it (before %t, after %t)", rule, slices.Contains(before, rule), slices.Contains(after, rule))
		}
		if !slices.Contains(during, rule) {
			t.Errorf("%s is not red", rule)
		}
	}
	t.Logf("%d rules red and green on a node", len(rules))
}

// saysYes are the rules that say yes of the node as it is now.
func (x *box) saysYes() []string {
	x.t.Helper()
	var rules []string
	for _, f := range x.findings("--objects=now") {
		if f.Verdict == "yes" {
			rules = append(rules, f.Rule)
		}
	}
	return rules
}

type finding struct{ Rule, Verdict string }

// findings are those of `belay check`, whatever its exit code; there are always some.
func (x *box) findings(args ...string) []finding {
	x.t.Helper()
	r, err := x.b.Run(x.t.Context(), append([]string{"check", "--to", labtest.To}, args...)...)
	if err != nil {
		x.t.Fatal(err)
	}
	var found struct{ Findings []finding }
	if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
		x.t.Fatalf("check %v: exit %d, %v: %s", args, r.Code, err, clip(r.String(), 2000))
	}
	if len(found.Findings) == 0 {
		x.t.Fatalf("check %v: not one finding: %s", args, clip(r.String(), 2000))
	}
	return found.Findings
}
