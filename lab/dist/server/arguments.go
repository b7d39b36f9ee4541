package server

import (
	"fmt"
	"sort"
	"strings"

	"belay.test/dist/components"
)

// arguments merges a component's flags with the user's *-arg ones, which win.
func arguments(own map[string]string, user []string) []string {
	for _, arg := range user {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		delete(own, name)
	}
	var args []string
	for name, value := range own {
		args = append(args, "--"+name+"="+value)
	}
	sort.Strings(args)
	for _, arg := range user {
		args = append(args, "--"+strings.TrimLeft(arg, "-"))
	}
	return args
}

const issuer = "https://kubernetes.default.svc.cluster.local"

// The flags are K3s' own, as its log shows them (captures/…/journal-start.txt).
func (s *settings) apiServer(tag string, etcd bool) []string {
	own := map[string]string{
		"version":                            tag,
		"advertise-address":                  s.advertise,
		"allow-privileged":                   "true",
		"anonymous-auth":                     "false",
		"api-audiences":                      issuer + ",k3s",
		"authorization-mode":                 "Node,RBAC",
		"bind-address":                       "127.0.0.1",
		"cert-dir":                           s.TLS("temporary-certs"),
		"client-ca-file":                     s.TLS("client-ca.crt"),
		"enable-admission-plugins":           "NodeRestriction",
		"enable-aggregator-routing":          "true",
		"enable-bootstrap-token-auth":        "true",
		"etcd-servers":                       components.KineSocket,
		"kubelet-certificate-authority":      s.TLS("server-ca.crt"),
		"kubelet-client-certificate":         s.TLS("client-kube-apiserver.crt"),
		"kubelet-client-key":                 s.TLS("client-kube-apiserver.key"),
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"profiling":                          "false",
		"proxy-client-cert-file":             s.TLS("client-auth-proxy.crt"),
		"proxy-client-key-file":              s.TLS("client-auth-proxy.key"),
		"requestheader-allowed-names":        "system:auth-proxy",
		"requestheader-client-ca-file":       s.TLS("request-header-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"secure-port":                        fmt.Sprint(s.apiPort),
		"service-account-issuer":             issuer,
		"service-account-key-file":           s.TLS("service.key"),
		"service-account-signing-key-file":   s.TLS("service.current.key"),
		"service-cluster-ip-range":           s.serviceCIDR,
		"service-node-port-range":            s.values.Text("service-node-port-range", "30000-32767"),
		"storage-backend":                    "etcd3",
		"tls-cert-file":                      s.TLS("serving-kube-apiserver.crt"),
		"tls-private-key-file":               s.TLS("serving-kube-apiserver.key"),
	}
	if etcd {
		own["etcd-servers"] = components.EtcdEndpoint
		own["etcd-cafile"] = s.TLS("etcd", "server-ca.crt")
		own["etcd-certfile"] = s.TLS("etcd", "client.crt")
		own["etcd-keyfile"] = s.TLS("etcd", "client.key")
	}
	if s.encrypted() {
		own["encryption-provider-config"] = s.Cred("encryption-config.json")
	}
	return arguments(own, s.values.List("kube-apiserver-arg"))
}

func (s *settings) controllerManager(tag string, etcd bool) []string {
	config := s.Cred("controller.kubeconfig")
	own := map[string]string{
		"version":                                tag,
		"allocate-node-cidrs":                    "true",
		"authentication-kubeconfig":              config,
		"authorization-kubeconfig":               config,
		"authentication-tolerate-lookup-failure": "true",
		"bind-address":                           "127.0.0.1",
		"cluster-cidr":                           s.clusterCIDR,
		"configure-cloud-routes":                 "false",
		"controllers":                            "*,tokencleaner",
		"flex-volume-plugin-dir":                 s.Agent("libexec", "kubernetes"), // else it makes one in /usr/libexec
		"kube-api-qps":                           "100",                            // the default ServiceAccount after 3 s instead of 8
		"kube-api-burst":                         "200",
		"kubeconfig":                             config,
		"leader-elect":                           fmt.Sprint(etcd), // off only where one server is all there can be
		"profiling":                              "false",
		"root-ca-file":                           s.TLS("server-ca.crt"),
		"secure-port":                            "10257",
		"service-account-private-key-file":       s.TLS("service.current.key"),
		"service-cluster-ip-range":               s.serviceCIDR,
		"tls-cert-file":                          s.TLS("kube-controller-manager", "kube-controller-manager.crt"),
		"tls-private-key-file":                   s.TLS("kube-controller-manager", "kube-controller-manager.key"),
		"use-service-account-credentials":        "true",
	}
	for signer, ca := range map[string]string{
		"kube-apiserver-client": "client-ca", "kubelet-client": "client-ca",
		"kubelet-serving": "server-ca", "legacy-unknown": "server-ca",
	} {
		own["cluster-signing-"+signer+"-cert-file"] = s.TLS(ca + ".nochain.crt")
		own["cluster-signing-"+signer+"-key-file"] = s.TLS(ca + ".key")
	}
	return arguments(own, s.values.List("kube-controller-manager-arg"))
}

func (s *settings) scheduler(tag string, etcd bool) []string {
	config := s.Cred("scheduler.kubeconfig")
	return arguments(map[string]string{
		"version":                                tag,
		"authentication-kubeconfig":              config,
		"authorization-kubeconfig":               config,
		"authentication-tolerate-lookup-failure": "true",
		"bind-address":                           "127.0.0.1",
		"kubeconfig":                             config,
		"leader-elect":                           fmt.Sprint(etcd),
		"profiling":                              "false",
		"secure-port":                            "10259",
		"tls-cert-file":                          s.TLS("kube-scheduler", "kube-scheduler.crt"),
		"tls-private-key-file":                   s.TLS("kube-scheduler", "kube-scheduler.key"),
	}, s.values.List("kube-scheduler-arg"))
}

func (s *settings) kubelet(containerd string) []string {
	args := []string{
		"--node-name=" + s.NodeName, "--node-ip=" + s.NodeIP,
		"--data-dir=" + s.DataDir, "--containerd=" + containerd,
	}
	for _, label := range s.values.List("node-label") {
		args = append(args, "--label="+label)
	}
	args = append(args, "--")
	return append(args, s.values.List("kubelet-arg")...)
}
