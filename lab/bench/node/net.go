package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Netns is the name of the node's network namespace, for `ip netns exec`.
func (n *Node) Netns() string { return n.group.Name }

// Link is the host's end of the node's cable. Interface names have 15 bytes,
// so it is made of the bridge's short name and the node's index.
func (n *Node) Link() string { return fmt.Sprintf("%sn%d", n.Bridge, n.Index) }

// plug makes a fresh network for each boot: after a power cut a machine has no
// rules, no extra links and no connections left, and neither has the node.
func (n *Node) plug(ctx context.Context) error {
	ns, host := n.Netns(), n.Link()
	if err := ip(ctx, "netns add "+ns); err != nil {
		return err
	}
	return ip(ctx,
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", host, ns),
		fmt.Sprintf("link set %s master %s up", host, n.Bridge),
		fmt.Sprintf("-n %s link set lo up", ns),
		fmt.Sprintf("-n %s addr add %s/24 dev eth0", ns, n.Address),
		fmt.Sprintf("-n %s link set eth0 up", ns),
		fmt.Sprintf("-n %s route add default via %s", ns, n.Gateway),
	)
}

// unplug takes the cable first: a socket that someone still holds in the
// namespace would otherwise keep both alive without a name.
func (n *Node) unplug(ctx context.Context) error {
	if _, err := net.InterfaceByName(n.Link()); err == nil {
		if err := ip(ctx, "link del "+n.Link()); err != nil {
			// The pair also vanishes with the namespace, a moment later.
			if _, still := net.InterfaceByName(n.Link()); still == nil {
				return err
			}
		}
	}
	if _, err := os.Stat("/run/netns/" + n.Netns()); err == nil {
		return ip(ctx, "netns del "+n.Netns())
	}
	return nil
}

func ip(ctx context.Context, lines ...string) error {
	for _, l := range lines {
		out, err := mortal(ctx, "ip", strings.Fields(l)...)
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", l, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// Listen opens a TCP socket inside the node's network, its loopback included,
// that this process serves: a release mirror "on the node" whose lies a test
// holds in its hand. It ends with the node's power; open it again after Boot.
func (n *Node) Listen(addr string) (net.Listener, error) {
	return inNetwork(n, func() (net.Listener, error) { return net.Listen("tcp", addr) })
}

// Dial connects from inside the node's network to an address of it, a pod's
// for example. The address is an IP: nothing is resolved there.
func (n *Node) Dial(addr string, within time.Duration) (net.Conn, error) {
	return inNetwork(n, func() (net.Conn, error) { return net.DialTimeout("tcp", addr, within) })
}

// inNetwork makes a socket in the network of a node.
func inNetwork[S any](n *Node, open func() (S, error)) (socket S, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: a thread that has been in another network is
		// thrown away with its goroutine instead of being trusted again.
		runtime.LockOSThread()
		var f *os.File
		if f, err = os.Open("/run/netns/" + n.Netns()); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		socket, err = open()
	}()
	<-done
	return socket, err
}
