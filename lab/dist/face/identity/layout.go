// Package identity keeps what makes a cluster the same cluster over restarts,
// upgrades and ways back: certificate authorities, service-account key, token,
// and the files derived from them, under K3s' names and modes (captures/…/tree.txt).
package identity

import "path/filepath"

// Layout is a data directory and the few things about the node that end up in
// certificates.
type Layout struct {
	DataDir    string
	NodeName   string
	NodeIP     string
	ServiceIP  string   // first address of the service range
	SANs       []string // --tls-san
	Port       int      // https-listen-port
	Kubeconfig string   // path of k3s.yaml
}

// Server is a path below server/.
func (l Layout) Server(parts ...string) string {
	return filepath.Join(append([]string{l.DataDir, "server"}, parts...)...)
}

// Agent is a path below agent/.
func (l Layout) Agent(parts ...string) string {
	return filepath.Join(append([]string{l.DataDir, "agent"}, parts...)...)
}

// TLS is a path below server/tls/.
func (l Layout) TLS(parts ...string) string {
	return l.Server(append([]string{"tls"}, parts...)...)
}

// Cred is a path below server/cred/.
func (l Layout) Cred(name string) string { return l.Server("cred", name) }

// BootstrapFiles are the files that K3s keeps a copy of in the datastore, by
// the names that the copy uses (k3s-facts §2.4).
func (l Layout) BootstrapFiles() map[string]string {
	return map[string]string{
		"ServerCA":           l.TLS("server-ca.crt"),
		"ServerCAKey":        l.TLS("server-ca.key"),
		"ClientCA":           l.TLS("client-ca.crt"),
		"ClientCAKey":        l.TLS("client-ca.key"),
		"RequestHeaderCA":    l.TLS("request-header-ca.crt"),
		"RequestHeaderCAKey": l.TLS("request-header-ca.key"),
		"ETCDServerCA":       l.TLS("etcd", "server-ca.crt"),
		"ETCDServerCAKey":    l.TLS("etcd", "server-ca.key"),
		"ETCDPeerCA":         l.TLS("etcd", "peer-ca.crt"),
		"ETCDPeerCAKey":      l.TLS("etcd", "peer-ca.key"),
		"ServiceKey":         l.TLS("service.key"),
		"PasswdFile":         l.Cred("passwd"),
		"IPSECKey":           l.Cred("ipsec.psk"),
		"EncryptionConfig":   l.Cred("encryption-config.json"),
	}
}
