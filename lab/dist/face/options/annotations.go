package options

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
)

// secret flags and variables are masked in what the Node shows (k3s-facts §5.4).
var secret = map[string]bool{
	"--token": true, "--agent-token": true, "--datastore-endpoint": true, "--vpn-auth": true,
	"--etcd-s3-access-key": true, "--etcd-s3-secret-key": true, "--etcd-s3-session-token": true,
	"K3S_TOKEN": true, "K3S_AGENT_TOKEN": true, "K3S_DATASTORE_ENDPOINT": true, "K3S_VPN_AUTH": true,
}

const mask = "********"

// Annotations are node-args, node-env and node-config-hash of the Node: they
// change exactly when the configuration does, and Belay reads them for that.
func (v Values) Annotations() (map[string]string, error) {
	args := append([]string(nil), v.args...)
	for i := 1; i < len(args); i++ {
		if secret[args[i-1]] {
			args[i] = mask
		}
	}
	env := map[string]string{}
	for name, value := range v.env {
		if secret[name] {
			value = mask
		}
		env[name] = value
	}
	rawArgs, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	rawEnv, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	sum.Write(rawArgs)
	sum.Write(rawEnv)
	return map[string]string{
		"k3s.io/node-args":        string(rawArgs),
		"k3s.io/node-env":         string(rawEnv),
		"k3s.io/node-config-hash": base32.StdEncoding.EncodeToString(sum.Sum(nil)),
	}, nil
}
