package identity

import (
	"crypto/x509"
	"net"
	"slices"
)

type altNames struct {
	dns []string
	ips []net.IP
}

func (n *altNames) add(names ...string) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			n.ips = append(n.ips, ip)
		} else if name != "" && !slices.Contains(n.dns, name) {
			n.dns = append(n.dns, name)
		}
	}
}

func (n altNames) within(cert *x509.Certificate) bool {
	for _, name := range n.dns {
		if !slices.Contains(cert.DNSNames, name) {
			return false
		}
	}
	for _, ip := range n.ips {
		if !slices.ContainsFunc(cert.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// apiNames are the names under which the API of this node is reached.
func (l Layout) apiNames() altNames {
	var n altNames
	n.add("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", l.NodeName, "127.0.0.1", "::1", l.NodeIP, l.ServiceIP)
	n.add(l.SANs...)
	return n
}

func loopbackNames() altNames {
	var n altNames
	n.add("localhost", "127.0.0.1", "::1")
	return n
}
