package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"time"
)

var (
	forClient = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	forServer = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forBoth   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// Issue makes every certificate and key of a server and of the agent in it.
// Subjects are those of captures/…/certcheck.txt.
func (l Layout) Issue(now time.Time) error {
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{
		{l.TLS(), 0o700}, {l.TLS("temporary-certs"), 0o700}, {l.TLS("etcd"), 0o755},
		{l.TLS("kube-controller-manager"), 0o755}, {l.TLS("kube-scheduler"), 0o755},
	} {
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return err
		}
	}
	cas := map[string]*authority{}
	for path, name := range map[string]string{
		"client-ca": "k3s-client-ca", "server-ca": "k3s-server-ca", "request-header-ca": "k3s-request-header-ca",
		"etcd/server-ca": "etcd-server-ca", "etcd/peer-ca": "etcd-peer-ca",
	} {
		ca, err := ensureAuthority(l.TLS(path+".crt"), l.TLS(path+".key"), name, now)
		if err != nil {
			return err
		}
		cas[path] = ca
	}
	for _, item := range l.leaves() {
		if err := cas[item.authority].ensure(item.leaf, now); err != nil {
			return err
		}
	}
	return l.copies()
}

type issue struct {
	authority string
	leaf
}

func (l Layout) leaves() []issue {
	tls := func(ca, name, cn, org string, usages []x509.ExtKeyUsage, names altNames) issue {
		return issue{ca, leaf{l.TLS(name + ".crt"), l.TLS(name + ".key"), 0o644, subject(cn, org), usages, names}}
	}
	// The agent's certificates lie with the agent; the server keeps their keys.
	agent := func(ca, name, cn, org string, usages []x509.ExtKeyUsage, names altNames) issue {
		return issue{ca, leaf{l.Agent(name + ".crt"), l.TLS(name + ".key"), 0o600, subject(cn, org), usages, names}}
	}
	var none, kubelet altNames
	kubelet.add(l.NodeName, "localhost", "127.0.0.1", "::1", l.NodeIP)
	etcd := l.apiNames()
	return []issue{
		tls("client-ca", "client-admin", "system:admin", "system:masters", forClient, none),
		tls("client-ca", "client-controller", "system:kube-controller-manager", "", forClient, none),
		tls("client-ca", "client-k3s-cloud-controller", "k3s-cloud-controller-manager", "", forClient, none),
		tls("client-ca", "client-kube-apiserver", "system:apiserver", "system:masters", forClient, none),
		tls("client-ca", "client-scheduler", "system:kube-scheduler", "", forClient, none),
		tls("client-ca", "client-supervisor", "system:k3s-supervisor", "system:masters", forClient, none),
		tls("request-header-ca", "client-auth-proxy", "system:auth-proxy", "", forClient, none),
		tls("server-ca", "serving-kube-apiserver", "kube-apiserver", "", forServer, l.apiNames()),
		tls("server-ca", "kube-controller-manager/kube-controller-manager", "kube-controller-manager", "", forServer, loopbackNames()),
		tls("server-ca", "kube-scheduler/kube-scheduler", "kube-scheduler", "", forServer, loopbackNames()),
		tls("etcd/server-ca", "etcd/client", "etcd-client", "", forClient, none),
		tls("etcd/server-ca", "etcd/server-client", "etcd-server", "", forBoth, etcd),
		tls("etcd/peer-ca", "etcd/peer-server-client", "etcd-peer", "", forBoth, etcd),
		agent("client-ca", "client-k3s-controller", "system:k3s-controller", "", forClient, none),
		agent("client-ca", "client-kube-proxy", "system:kube-proxy", "", forClient, none),
		agent("client-ca", "client-kubelet", "system:node:"+l.NodeName, "system:nodes", forClient, none),
		agent("server-ca", "serving-kubelet", l.NodeName, "", forServer, kubelet),
	}
}

func subject(cn, org string) pkix.Name {
	name := pkix.Name{CommonName: cn}
	if org != "" {
		name.Organization = []string{org}
	}
	return name
}

// copies are the files that K3s derives from the ones above, written anew at
// each start.
func (l Layout) copies() error {
	if err := ensureServiceKey(l.TLS("service.key")); err != nil {
		return err
	}
	for _, c := range []struct {
		from, to string
		mode     os.FileMode
	}{
		{l.TLS("client-ca.crt"), l.TLS("client-ca.nochain.crt"), 0o644},
		{l.TLS("server-ca.crt"), l.TLS("server-ca.nochain.crt"), 0o644},
		{l.TLS("service.key"), l.TLS("service.current.key"), 0o600},
		{l.TLS("client-ca.crt"), l.Agent("client-ca.crt"), 0o600},
		{l.TLS("server-ca.crt"), l.Agent("server-ca.crt"), 0o600},
		{l.TLS("client-k3s-controller.key"), l.Agent("client-k3s-controller.key"), 0o600},
		{l.TLS("client-kube-proxy.key"), l.Agent("client-kube-proxy.key"), 0o600},
		{l.TLS("client-kubelet.key"), l.Agent("client-kubelet.key"), 0o600},
		{l.TLS("serving-kubelet.key"), l.Agent("serving-kubelet.key"), 0o600},
	} {
		raw, err := os.ReadFile(c.from)
		if err != nil {
			return err
		}
		if err := WriteFile(c.to, raw, c.mode); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile replaces a file in one step, so that a crash leaves the old one or
// the new one, and leaves an equal one alone, so that its time keeps its
// meaning for the "newer than datastore" check.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(content) {
		return os.Chmod(path, mode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	staged := path + ".new"
	if err := os.WriteFile(staged, content, mode); err != nil {
		return err
	}
	return os.Rename(staged, path)
}
