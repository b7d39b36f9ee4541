package k3s

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"belay.dev/lab/bench/node"
)

func nodeMode(m uint32) fs.FileMode { return fs.FileMode(m) }

// startLimit is generous: a first start on two busy cores extracts, makes
// certificates and an empty datastore.
const startLimit = 180 * time.Second

// Start starts the unit and waits until systemd has READY=1 and the node has
// been reported Ready by a kubelet of this start.
func Start(ctx context.Context, n *node.Node) error {
	if _, err := n.Must(ctx, "systemctl", "start", "--no-block", "k3s"); err != nil {
		return err
	}
	return Wait(ctx, n)
}

// Wait waits for the unit to be active and the node to be Ready; also after a
// boot, where nobody started the unit by hand.
func Wait(ctx context.Context, n *node.Node) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := WaitActive(ctx, n); err != nil {
		return err
	}
	return poll(ctx, "a lease renewed and the node Ready", func() bool {
		s, err := Show(ctx, n)
		if err != nil || s.ActiveState != "active" {
			return false
		}
		renewed, err := LeaseRenewed(ctx, n)
		return err == nil && renewed.After(s.Started) && Ready(ctx, n)
	})
}

// WaitActive waits for READY=1 only.
func WaitActive(ctx context.Context, n *node.Node) error {
	return poll(ctx, "READY=1 of k3s", func() bool {
		s, err := Show(ctx, n)
		return err == nil && s.ActiveState == "active"
	})
}

// Stop stops the unit as an administrator would and waits until it is down.
func Stop(ctx context.Context, n *node.Node) error {
	_, err := n.Must(ctx, "systemctl", "stop", "k3s")
	return err
}

// State is what systemd says about the unit.
type State struct {
	ActiveState, SubState, InvocationID string
	MainPID, NRestarts                  int
	// Started is when the main process was started; the zero time before that.
	Started time.Time
}

// Show asks systemd.
func Show(ctx context.Context, n *node.Node) (State, error) {
	out, err := n.Must(ctx, "systemctl", "show", "k3s", "--timestamp=unix",
		"-p", "ActiveState,SubState,InvocationID,MainPID,NRestarts,ExecMainStartTimestamp")
	if err != nil {
		return State{}, err
	}
	var s State
	for _, line := range strings.Split(out, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "ActiveState":
			s.ActiveState = value
		case "SubState":
			s.SubState = value
		case "InvocationID":
			s.InvocationID = value
		case "MainPID":
			s.MainPID, _ = strconv.Atoi(value)
		case "NRestarts":
			s.NRestarts, _ = strconv.Atoi(value)
		case "ExecMainStartTimestamp":
			if sec, err := strconv.ParseInt(strings.TrimPrefix(value, "@"), 10, 64); err == nil {
				s.Started = time.Unix(sec, 0)
			}
		}
	}
	return s, nil
}

// Kubectl runs the node's own kubectl.
func Kubectl(ctx context.Context, n *node.Node, args ...string) (string, error) {
	return n.Must(ctx, append([]string{Binary, "kubectl"}, args...)...)
}

// Ready is the Node's Ready condition, which a kubelet that never came leaves
// True for about 40 s.
func Ready(ctx context.Context, n *node.Node) bool {
	out, err := Kubectl(ctx, n, "get", "node", n.Name, "--request-timeout=5s",
		"-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	return err == nil && strings.TrimSpace(out) == "True"
}

// LeaseRenewed is when the node's kubelet last renewed its lease.
func LeaseRenewed(ctx context.Context, n *node.Node) (time.Time, error) {
	out, err := Kubectl(ctx, n, "get", "lease", n.Name, "-n", "kube-node-lease", "--request-timeout=5s",
		"-o", "jsonpath={.spec.renewTime}")
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, strings.TrimSpace(out))
}

// Readyz is the body of /readyz?verbose, or an error while it is not ok.
func Readyz(ctx context.Context, n *node.Node) (string, error) {
	return Kubectl(ctx, n, "get", "--raw", "/readyz?verbose", "--request-timeout=3s")
}

// AdminConfig is the node's kubeconfig as a client outside of it uses it.
func AdminConfig(ctx context.Context, n *node.Node) ([]byte, error) {
	b, err := n.Get(ctx, Kubeconfig)
	if err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(string(b), "https://127.0.0.1:", "https://"+n.Address+":")), nil
}

// Log is the end of the unit's journal.
func Log(ctx context.Context, n *node.Node, lines int) string {
	res, err := n.Exec(ctx, "journalctl", "-u", "k3s", "-n", strconv.Itoa(lines), "--no-pager", "-o", "cat")
	if err != nil {
		return err.Error()
	}
	return res.Stdout
}

func poll(ctx context.Context, what string, ok func() bool) error {
	for {
		if ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		case <-time.After(250 * time.Millisecond):
		}
	}
}
