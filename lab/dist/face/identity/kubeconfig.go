package identity

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

const fileKubeconfig = `apiVersion: v1
clusters:
- cluster:
    server: https://127.0.0.1:%d
    certificate-authority: %s
  name: local
contexts:
- context:
    cluster: local
    namespace: default
    user: user
  name: Default
current-context: Default
kind: Config
preferences: {}
users:
- name: user
  user:
    client-certificate: %s
    client-key: %s
`

const inlineKubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:%d
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`

// WriteKubeconfigs writes server/cred/*.kubeconfig and agent/*.kubeconfig. All
// speak to the API server itself (port 6444 on loopback), as K3s' own
// components do, so that they do not depend on the listener of the clients.
func (l Layout) WriteKubeconfigs(apiPort int) error {
	ca := l.TLS("server-ca.crt")
	for name, client := range map[string]string{
		"admin": "client-admin", "api-server": "client-kube-apiserver", "controller": "client-controller",
		"cloud-controller": "client-k3s-cloud-controller", "scheduler": "client-scheduler", "supervisor": "client-supervisor",
	} {
		content := fmt.Sprintf(fileKubeconfig, apiPort, ca, l.TLS(client+".crt"), l.TLS(client+".key"))
		if err := WriteFile(l.Cred(name+".kubeconfig"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	for name, client := range map[string]string{
		"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy", "k3scontroller": "client-k3s-controller",
	} {
		content := fmt.Sprintf(fileKubeconfig, apiPort, l.Agent("server-ca.crt"), l.Agent(client+".crt"), l.Agent(client+".key"))
		if err := WriteFile(l.Agent(name+".kubeconfig"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// WriteAdminKubeconfig writes the kubeconfig for people, with its data inline.
func (l Layout) WriteAdminKubeconfig(mode os.FileMode) error {
	var inline [3]string
	for i, path := range []string{l.TLS("server-ca.crt"), l.TLS("client-admin.crt"), l.TLS("client-admin.key")} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		inline[i] = base64.StdEncoding.EncodeToString(raw)
	}
	if err := os.MkdirAll(filepath.Dir(l.Kubeconfig), 0o755); err != nil {
		return err
	}
	content := fmt.Sprintf(inlineKubeconfig, inline[0], l.Port, inline[1], inline[2])
	return WriteFile(l.Kubeconfig, []byte(content), mode)
}
