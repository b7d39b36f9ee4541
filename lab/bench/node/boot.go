package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed boot.sh
var bootScript string

// Boot gives the node power and returns when its systemd has reached
// basic.target. Services that start at boot, K3s among them, may still be
// starting: wait for those by name.
func (n *Node) Boot(ctx context.Context) error {
	if n.Running() {
		return nil
	}
	// What an earlier life may have left: a half-dead container, its network.
	if err := n.PowerCut(ctx); err != nil {
		return err
	}
	if err := n.group.Create(); err != nil {
		return err
	}
	if err := n.plug(ctx); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	err := until(ctx, 60*time.Second, n.Name+" to boot", func() bool {
		res, err := n.Exec(ctx, "systemctl", "is-active", "basic.target")
		return err == nil && res.Code == 0
	})
	if err != nil {
		return fmt.Errorf("%w\nconsole:\n%s", err, n.consoleTail())
	}
	return nil
}

func (n *Node) start() error {
	// The overlay's work directory belongs to one mount; a new one each time.
	work := filepath.Join(n.dir, "work")
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	dirs, err := n.group.Dirs()
	if err != nil {
		return err
	}
	image := ""
	if n.DiskMB > 0 {
		image = n.image()
	}
	log, err := os.OpenFile(n.Console(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"--mount", "--propagation", "slave", "sh", "-c", bootScript, "belay-boot",
		n.group.Name, n.dir, n.Root, n.group.Name, n.Name, image}, dirs...)
	cmd := exec.Command("unshare", args...)
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: the node outlives the command that booted it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{"PATH=" + searchPath}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // only to leave no zombie
	return nil
}

// PowerCut kills the whole node at once: SIGKILL to its first process takes
// every other with it in the kernel, with no word to any of them and no sync.
// What the page cache of the host holds is kept, so this shows what programs
// leave half done, not what a disk loses. Cutting a node without power is fine.
func (n *Node) PowerCut(ctx context.Context) error {
	if pid, err := n.Leader(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err := n.group.Kill(ctx); err != nil {
		return err
	}
	if err := n.group.Remove(ctx); err != nil {
		return err
	}
	if err := n.diskReleased(ctx); err != nil {
		return err
	}
	return n.unplug(ctx)
}

// Stop shuts the node down in order, as `poweroff` would.
func (n *Node) Stop(ctx context.Context) error {
	if !n.Running() {
		return n.PowerCut(ctx)
	}
	res, err := n.Exec(ctx, "systemctl", "poweroff", "--no-block")
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return fmt.Errorf("poweroff of %s: %s", n.Name, res.Stderr)
	}
	if err := until(ctx, 3*time.Minute, n.Name+" to power off", func() bool { return len(n.group.Procs()) == 0 }); err != nil {
		return err
	}
	return n.PowerCut(ctx) // takes the empty group and the network away
}

// Running says whether the node's first process is alive.
func (n *Node) Running() bool {
	_, err := n.Leader()
	return err == nil
}

// Leader is the host's pid of the node's first process: the one in the group
// that is number 1 in a process namespace directly below ours. Pods have
// namespaces too, but deeper ones.
func (n *Node) Leader() (int, error) {
	for _, pid := range n.group.Procs() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		if !strings.Contains(string(b), "\nState:\tZ") && nsPid(string(b)) == "1" {
			return pid, nil
		}
	}
	return 0, ErrNotRunning
}

// nsPid is the process's number in the one namespace below the host's, or
// empty when it is in none or deeper.
func nsPid(status string) string {
	for _, line := range strings.Split(status, "\n") {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			if f := strings.Fields(rest); len(f) == hostDepth()+1 {
				return f[len(f)-1]
			}
		}
	}
	return ""
}

// hostDepth is how many process namespaces we are in ourselves (1, unless the
// bench itself runs in a container).
func hostDepth() int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 1
	}
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return len(strings.Fields(rest))
		}
	}
	return 1
}

func (n *Node) consoleTail() string {
	b, err := os.ReadFile(n.Console())
	if err != nil {
		return err.Error()
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return string(b)
}

// HostPid finds the host's number of a process that the node knows as pid, so
// that a test can stop or kill it without a process of its own in the node.
func (n *Node) HostPid(pid int) (int, error) {
	want := strconv.Itoa(pid)
	for _, p := range n.group.Procs() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err == nil && nsPid(string(b)) == want {
			return p, nil
		}
	}
	return 0, errors.New("no process " + want + " in " + n.Name)
}

// Remove cuts the power and deletes the node's disks and saves.
func (n *Node) Remove(ctx context.Context) error {
	if err := n.PowerCut(ctx); err != nil {
		return err
	}
	return os.RemoveAll(n.dir)
}
