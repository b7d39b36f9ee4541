package identity

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// dynamicSecret is the part of a Secret that dynamic-cert.json holds.
type dynamicSecret struct {
	Kind       string            `json:"kind"`
	APIVersion string            `json:"apiVersion"`
	Metadata   map[string]any    `json:"metadata"`
	Data       map[string][]byte `json:"data"`
	Type       string            `json:"type"`
}

// ListenerCertificate is the certificate of the listener on 6443. K3s keeps it
// apart from the API server's, in server/tls/dynamic-cert.json, so that names
// can be added while it runs; here it is issued at the start.
func (l Layout) ListenerCertificate() (tls.Certificate, error) {
	now := time.Now()
	ca, err := ensureAuthority(l.TLS("server-ca.crt"), l.TLS("server-ca.key"), "k3s-server-ca", now)
	if err != nil {
		return tls.Certificate{}, err
	}
	dir, err := os.MkdirTemp(l.TLS("temporary-certs"), "listener")
	if err != nil {
		return tls.Certificate{}, err
	}
	defer os.RemoveAll(dir)
	item := leaf{
		certPath: filepath.Join(dir, "tls.crt"), keyPath: filepath.Join(dir, "tls.key"), mode: 0o600,
		subject: pkix.Name{CommonName: "k3s", Organization: []string{"k3s"}}, usages: forServer, names: l.apiNames(),
	}
	store := l.TLS("dynamic-cert.json")
	var kept dynamicSecret
	if raw, err := os.ReadFile(store); err == nil && json.Unmarshal(raw, &kept) == nil && len(kept.Data) == 2 {
		for name, content := range kept.Data {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o600); err != nil {
				return tls.Certificate{}, err
			}
		}
	}
	if err := ca.ensure(item, now); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := os.ReadFile(item.certPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := os.ReadFile(item.keyPath)
	if err != nil {
		return tls.Certificate{}, err
	}
	raw, err := json.Marshal(dynamicSecret{
		Kind: "Secret", APIVersion: "v1", Type: "kubernetes.io/tls",
		Metadata: map[string]any{"name": "k3s-serving", "namespace": "kube-system"},
		Data:     map[string][]byte{"tls.crt": cert, "tls.key": key},
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := WriteFile(store, raw, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}
