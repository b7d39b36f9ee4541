package server

import (
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// configure writes db/etcd/config, key by key as in captures/…/etcd-config.txt.
func (m *member) configure(how memberStart) error {
	loopback := func(port string) string { return "https://127.0.0.1:" + port }
	own := "https://" + m.NodeIP
	trust := func(name, ca string) map[string]any {
		return map[string]any{
			"cert-file": m.TLS("etcd", name+".crt"), "key-file": m.TLS("etcd", name+".key"),
			"client-cert-auth": true, "trusted-ca-file": m.TLS("etcd", ca+".crt"),
		}
	}
	config := map[string]any{
		"name":                      m.name,
		"data-dir":                  m.dir(),
		"advertise-client-urls":     own + ":2379",
		"listen-client-urls":        loopback("2379") + "," + own + ":2379",
		"listen-client-http-urls":   loopback("2382"),
		"listen-metrics-urls":       "http://127.0.0.1:2381",
		"listen-peer-urls":          loopback("2380") + "," + own + ":2380",
		"client-transport-security": trust("server-client", "server-ca"),
		"peer-transport-security":   trust("peer-server-client", "peer-ca"),
		"snapshot-count":            10000,
		"heartbeat-interval":        500,
		"election-timeout":          5000,
		"logger":                    "zap",
		"log-outputs":               []string{"stderr"},
		"socket-options":            map[string]any{"reuse-address": true, "reuse-port": true},

		"experimental-initial-corrupt-check":          true,
		"experimental-watch-progress-notify-interval": 5000000000,
	}
	if m.values.Bool("etcd-expose-metrics") {
		config["listen-metrics-urls"] = "http://127.0.0.1:2381,http://" + m.NodeIP + ":2381"
	}
	if how.fresh || how.reset {
		config["initial-advertise-peer-urls"] = m.peerURL()
		config["initial-cluster"] = m.name + "=" + m.peerURL()
		config["initial-cluster-state"] = "new"
	}
	if how.reset { // nobody may connect in the middle of it
		config["force-new-cluster"] = true
		config["advertise-client-urls"] = loopback("2379")
		config["listen-client-urls"] = loopback("2379")
		config["listen-peer-urls"] = loopback("2380")
		config["listen-metrics-urls"] = "http://127.0.0.1:2381"
	}
	for _, arg := range m.values.List("etcd-arg") {
		if key, value, ok := strings.Cut(arg, "="); ok {
			config[strings.TrimLeft(key, "-")] = etcdArg(value)
		}
	}
	raw, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(m.dir("config"), raw, 0o600)
}
