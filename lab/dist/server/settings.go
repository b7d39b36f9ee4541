// Package server is `k3s server`: one process that people see, which starts the
// components as children, answers on 6443, and ends when any of them does.
package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	utilnet "k8s.io/apimachinery/pkg/util/net"

	"belay.test/dist/face/identity"
	"belay.test/dist/face/options"
)

// apiPort is kube-apiserver's own port on loopback: one above the clients' (k3s-facts §5.2).
const apiPortOffset = 1

type settings struct {
	identity.Layout
	values      options.Values
	bind        string
	clusterCIDR string
	serviceCIDR string
	advertise   string
	kubeMode    os.FileMode
	apiPort     int
}

func readSettings(v options.Values) (*settings, error) {
	if err := refuse(v); err != nil {
		return nil, err
	}
	dataDir, err := filepath.Abs(v.Text("data-dir", options.DefaultDataDir()))
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	s := &settings{
		values: v, bind: v.Text("bind-address", "0.0.0.0"),
		clusterCIDR: first(v.List("cluster-cidr"), "10.42.0.0/16"),
		serviceCIDR: first(v.List("service-cidr"), "10.43.0.0/16"),
	}
	s.DataDir, s.NodeName, s.SANs = dataDir, v.Text("node-name", host), v.List("tls-san")
	s.Kubeconfig = v.Text("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml")
	if s.Port, err = strconv.Atoi(v.Text("https-listen-port", "6443")); err != nil {
		return nil, fmt.Errorf("https-listen-port: %w", err)
	}
	s.apiPort = s.Port + apiPortOffset
	mode, err := strconv.ParseUint(v.Text("write-kubeconfig-mode", "600"), 8, 32)
	if err != nil {
		return nil, fmt.Errorf("write-kubeconfig-mode: %w", err)
	}
	s.kubeMode = os.FileMode(mode)
	if s.NodeIP = first(v.List("node-ip"), ""); s.NodeIP == "" {
		ip, err := utilnet.ChooseHostInterface()
		if err != nil {
			return nil, fmt.Errorf("no node-ip given and no default route: %w", err)
		}
		s.NodeIP = ip.String()
	}
	s.advertise = v.Text("advertise-address", s.NodeIP)
	if err := s.tokenForRestore(); err != nil {
		return nil, err
	}
	service, err := netip.ParsePrefix(s.serviceCIDR)
	if err != nil {
		return nil, fmt.Errorf("service-cidr: %w", err)
	}
	s.ServiceIP = service.Masked().Addr().Next().String()
	return s, nil
}

// tokenForRestore: a snapshot's bootstrap row opens with the token only.
func (s *settings) tokenForRestore() error {
	if !s.values.Given("cluster-reset-restore-path") || s.values.Given("token") {
		return nil
	}
	if _, err := os.Stat(s.Server("token")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist, please pass --token to complete the restoration", s.Server("token"))
	}
	return nil
}

// refuse names what real K3s can and this build cannot, rather than to start
// something else than was asked for.
func refuse(v options.Values) error {
	if os.Getuid() != 0 && !v.Bool("disable-agent") && !v.Bool("cluster-reset") {
		return errors.New("must run as root unless --disable-agent is specified")
	}
	reset := v.Bool("cluster-reset")
	switch {
	case v.Given("cluster-reset-restore-path") && !reset:
		return errors.New("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	case v.Bool("disable-etcd") && !v.Given("server"):
		return errors.New("invalid flag use; --server is required with --disable-etcd")
	case reset && v.Given("server"):
		return errors.New("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	}
	for _, name := range []string{"server", "datastore-endpoint", "rootless", "docker"} {
		if v.Bool(name) || (name == "server" || name == "datastore-endpoint") && v.Given(name) {
			return fmt.Errorf("--%s is not in this build of the bench distribution yet", name)
		}
	}
	return nil
}

func first(all []string, fallback string) string {
	if len(all) > 0 {
		return all[0]
	}
	return fallback
}
