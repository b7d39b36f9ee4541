// Package node is one machine of a lab: a Debian with systemd as its first
// process, its own network, and disks that outlive its power.
//
// All mounts of a node live in its own mount namespace and all its processes
// in its own control group and process namespace. So when its first process
// dies, everything but the network namespace and the (empty) group is gone,
// whatever else was killed on the way.
package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"belay.dev/lab/bench/cgroup"
	"belay.dev/lab/bench/root"
)

// Spec is what is decided when a node is made. It is on disk before the node
// has anything outside its folder, so that `down` finds what to clean.
type Spec struct {
	Lab     string `json:"lab"`
	Name    string `json:"name"`
	Index   int    `json:"index"`
	Address string `json:"address"` // without the prefix length
	Gateway string `json:"gateway"` // the host's end of the bridge
	Bridge  string `json:"bridge"`
	// DiskMB limits the file system that holds /var/lib and /usr/local; 0
	// leaves them on the host's.
	DiskMB int `json:"disk_mb,omitempty"`
	// Root is the shared lower layer; recorded, because a new key must not
	// change the ground under a node that exists.
	Root string `json:"root"`
}

// Node is a handle; the truth is on disk and in the kernel, so any process may
// hold one.
type Node struct {
	Spec
	dir   string
	group cgroup.Group
}

// ErrNotRunning is what operations on a node without power return.
var ErrNotRunning = errors.New("the node is not running")

// Create makes a node's disks in dir. It does not boot it.
func Create(ctx context.Context, dir string, spec Spec) (*Node, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	n := handle(dir, spec)
	if err := n.makeDisk(ctx); err != nil {
		return nil, fmt.Errorf("make the disk of %s: %w", spec.Name, err)
	}
	b, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return nil, err
	}
	// Last, and by a rename: a node that was half made has no record, and the
	// next attempt makes it anew.
	tmp := filepath.Join(dir, "node.json.new")
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return nil, err
	}
	return n, os.Rename(tmp, filepath.Join(dir, "node.json"))
}

// Open finds a node that was created before.
func Open(dir string) (*Node, error) {
	b, err := os.ReadFile(filepath.Join(dir, "node.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no node in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	var spec Spec
	if err := json.Unmarshal(b, &spec); err != nil {
		return nil, fmt.Errorf("%s/node.json: %w", dir, err)
	}
	return handle(dir, spec), nil
}

func handle(dir string, spec Spec) *Node {
	return &Node{Spec: spec, dir: dir, group: cgroup.Named(spec.Lab, spec.Name)}
}

// Dir is the node's folder on the host, with its console.log.
func (n *Node) Dir() string { return n.dir }

// Console is where the node's first process writes.
func (n *Node) Console() string { return filepath.Join(n.dir, "console.log") }

// SSH is an argument list that logs in as root. The bench itself never needs
// it; products that travel by SSH do.
func (n *Node) SSH(args ...string) []string {
	return append([]string{"ssh", "-i", root.SSHKey(), "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@" + n.Address}, args...)
}

// identity writes what makes this machine itself: names, addresses, machine
// id. It goes to the upper layer, where it survives power cuts and resets.
func (n *Node) identity() error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	files := map[string]string{
		"hostname":    n.Name + "\n",
		"machine-id":  hex.EncodeToString(id) + "\n",
		"hosts":       fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s\n%s mirror\n", n.Address, n.Name, n.Gateway),
		"resolv.conf": "nameserver " + n.Gateway + "\n",
	}
	etc := filepath.Join(n.upper(), "etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
