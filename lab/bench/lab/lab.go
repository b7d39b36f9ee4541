// Package lab is a named group of nodes on one bridge. Labs with different
// names run side by side. Everything a lab makes carries a name that follows
// from the lab's, and the folder that says so is written first: so `down` can
// clean after any crash.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"syscall"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/k3s"
	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/root"
)

// Default is the lab that `./dev lab` uses when none is named.
const Default = "dev"

// Lab is a handle; like a node it can be opened by any process.
type Lab struct {
	Name string
	// Progress gets a line when something slow begins.
	Progress func(string)
	dir      string
	net      network
}

// network is the lab's own /24. The number also names the bridge.
type network struct {
	Number int `json:"number"`
}

func (w network) bridge() string         { return fmt.Sprintf("%s%d", linkPrefix, w.Number) }
func (w network) address(i int) string   { return fmt.Sprintf("10.77.%d.%d", w.Number, i) }
func (w network) gateway() string        { return w.address(1) }
func (w network) forNode(idx int) string { return w.address(10 + idx) }

// linkPrefix marks every interface of the bench on the host.
const linkPrefix = "blab"

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,23}$`)

// Open makes or finds a lab. Names are short and plain, because they become
// part of the names of groups, namespaces and hosts.
func Open(ctx context.Context, name string) (*Lab, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%q cannot name a lab: a letter, then letters and digits, 24 at most", name)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root: it makes namespaces and mounts")
	}
	l := &Lab{Name: name, dir: filepath.Join(cache.Labs(), name), Progress: func(string) {}}
	unlock, err := lockLabs()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	if err := l.connect(ctx); err != nil {
		return nil, fmt.Errorf("network of lab %s: %w", name, err)
	}
	return l, nil
}

// connect finds the lab's network, or takes the lowest free number. A bridge
// carries its owner as alias; one of another owner means the number is taken.
func (l *Lab) connect(ctx context.Context) error {
	file := filepath.Join(l.dir, "network.json")
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &l.net); err != nil {
			return err
		}
		return l.raiseBridge(ctx)
	}
	used := usedNumbers()
	for n := 0; n < 250; n++ {
		l.net.Number = n
		if used[n] {
			continue
		}
		if _, err := net.InterfaceByName(l.net.bridge()); err == nil {
			continue
		}
		b, _ := json.Marshal(l.net)
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return err
		}
		return l.raiseBridge(ctx)
	}
	return errors.New("no free network number: run `down --all`")
}

func usedNumbers() map[int]bool {
	used := map[int]bool{}
	files, _ := filepath.Glob(filepath.Join(cache.Labs(), "*", "network.json"))
	for _, f := range files {
		var w network
		if b, err := os.ReadFile(f); err == nil && json.Unmarshal(b, &w) == nil {
			used[w.Number] = true
		}
	}
	return used
}

// raiseBridge repeats what a killed `up` may have left out.
func (l *Lab) raiseBridge(ctx context.Context) error {
	br := l.net.bridge()
	lines := []string{
		"link set " + br + " alias " + l.dir,
		"addr replace " + l.net.gateway() + "/24 dev " + br,
		"link set " + br + " up",
	}
	if _, err := net.InterfaceByName(br); err != nil {
		lines = append([]string{"link add " + br + " type bridge stp_state 0 forward_delay 0"}, lines...)
	}
	for _, line := range lines {
		if err := run(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// Gateway is the host's address on the lab's bridge: where nodes find a
// mirror, and where the oracle calls from.
func (l *Lab) Gateway() string { return l.net.gateway() }

// Options of a node.
type Options struct {
	// DiskMB limits the file system of /var/lib and /usr/local.
	DiskMB int
	// Datastore is for who installs K3s on the node; the lab makes the node alike.
	Datastore k3s.Datastore
}

// Up makes the node unless it exists, and boots it.
func (l *Lab) Up(ctx context.Context, name string, opt Options) (*node.Node, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%q cannot name a node", name)
	}
	n, err := l.Node(name)
	if err != nil {
		if n, err = l.create(ctx, name, opt); err != nil {
			return nil, err
		}
	}
	return n, n.Boot(ctx)
}

func (l *Lab) create(ctx context.Context, name string, opt Options) (*node.Node, error) {
	base, err := root.Ensure(ctx, l.Progress)
	if err != nil {
		return nil, err
	}
	unlock, err := lockLabs()
	if err != nil {
		return nil, err
	}
	defer unlock()
	taken := map[int]bool{}
	nodes, err := l.Nodes()
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		taken[n.Index] = true
	}
	idx := 1
	for taken[idx] {
		idx++
	}
	return node.Create(ctx, filepath.Join(l.dir, name), node.Spec{
		Lab: l.Name, Name: name, Index: idx, Address: l.net.forNode(idx), Gateway: l.net.gateway(),
		Bridge: l.net.bridge(), DiskMB: opt.DiskMB, Root: base,
	})
}

// Node opens a node of the lab.
func (l *Lab) Node(name string) (*node.Node, error) {
	return node.Open(filepath.Join(l.dir, name))
}

// Nodes lists the lab's nodes by name.
func (l *Lab) Nodes() ([]*node.Node, error) { return nodesIn(l.dir) }

func nodesIn(dir string) ([]*node.Node, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "node.json"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var nodes []*node.Node
	for _, f := range files {
		n, err := node.Open(filepath.Dir(f))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// lockLabs serialises what hands out numbers and what takes them away.
func lockLabs() (unlock func(), err error) {
	if err := os.MkdirAll(cache.Labs(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache.Labs(), ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func run(ctx context.Context, name string, args ...string) error {
	runtime.LockOSThread() // the signal comes when the thread that forked ends
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no orphan goes on after us
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
