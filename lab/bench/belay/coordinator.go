package belay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"belay.dev/lab/bench/node"
	"belay.dev/lab/bench/root"
)

// Coordinator is the host as the machine from which Belay reaches a node over
// SSH: a folder outside every clone, with its runs and what SSH knows.
type Coordinator struct {
	// Dir holds state/, ssh_config and known_hosts.
	Dir string
	// To is what --node says; empty: nothing, because a plan or a run says it.
	To string
}

// OverSSH makes a Belay that runs on the host. Nothing of it is put into the
// node: that is Belay's own task.
func OverSSH(ctx context.Context, n *node.Node, dir string) (*Belay, error) {
	if _, err := built("BELAY_BIN", "bin/belay"); err != nil {
		return nil, err
	}
	helper, err := built("BELAY_HELPER", "bin/belay-helper")
	if err != nil {
		return nil, err
	}
	c := &Coordinator{Dir: dir, To: "root@" + n.Address}
	key, err := n.Get(ctx, "/etc/ssh/ssh_host_ed25519_key.pub")
	if err != nil {
		return nil, err
	}
	if err := c.Know(n.Address + " " + string(key)); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("Host *\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n",
		root.SSHKey(), c.KnownHosts())
	if err := os.WriteFile(c.config(), []byte(config), 0o600); err != nil {
		return nil, err
	}
	return &Belay{Node: n, Coordinator: c, helper: helper}, nil
}

// Know makes these lines all that is known of hosts.
func (c *Coordinator) Know(lines string) error {
	return os.WriteFile(c.KnownHosts(), []byte(lines), 0o600)
}

// KnownHosts is where the keys of hosts are.
func (c *Coordinator) KnownHosts() string { return filepath.Join(c.Dir, "known_hosts") }

// State is what --state says.
func (c *Coordinator) State() string { return filepath.Join(c.Dir, "state") }

// Save keeps what it knows of runs under a name, as a node keeps its disk.
func (c *Coordinator) Save(ctx context.Context, name string) error {
	return again(ctx, c.State(), c.saved(name))
}

// Reset makes it forget everything since.
func (c *Coordinator) Reset(ctx context.Context, name string) error {
	return again(ctx, c.saved(name), c.State())
}

func (c *Coordinator) saved(name string) string { return filepath.Join(c.Dir, "saves", name) }

// again makes a folder the copy of another; where there is none, there is none.
func again(ctx context.Context, from, to string) error {
	const copied = `rm -rf "$2"; test ! -e "$1" || { mkdir -p "$(dirname "$2")"; cp -a -T "$1" "$2"; }`
	text, err := exec.CommandContext(ctx, "sh", "-ec", copied, "again", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy %s: %w\n%s", from, err, text)
	}
	return nil
}

func (c *Coordinator) config() string { return filepath.Join(c.Dir, "ssh_config") }

// startHere runs the program on the host.
func (b *Belay) startHere(ctx context.Context, p *Process, args, env []string) error {
	program, err := built("BELAY_BIN", "bin/belay")
	if args[0] == CrashProgram {
		program, err = built("BELAY_CRASH_BIN", "bin/belay-crash")
	}
	if err != nil {
		return err
	}
	c := b.Coordinator
	cmd := exec.CommandContext(ctx, program, args[1:]...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "USER=root", "LANG=C.UTF-8", "BELAY_HELPER=" + b.helper,
		"BELAY_STATE=" + c.State(),
	}, env...)
	if c.To != "" {
		cmd.Env = append(cmd.Env, "BELAY_NODE="+c.To, "BELAY_SSH_CONFIG="+c.config())
	}
	cmd.Stdout, cmd.Stderr = &p.out, &p.err
	// What OpenSSH leaves running must not keep us waiting for its outputs.
	cmd.WaitDelay = 2 * time.Second
	p.process = (*here)(cmd)
	return cmd.Start()
}

// here is a program on the host.
type here exec.Cmd

func (h *here) Signal(_ context.Context, sig syscall.Signal) error { return h.Process.Signal(sig) }

func (h *here) Wait() (int, error) {
	err := (*exec.Cmd)(h).Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}

// OfRun reads a file of a run on the coordinator's side, wherever that is.
func (b *Belay) OfRun(ctx context.Context, run, name string) ([]byte, error) {
	if b.Coordinator != nil {
		return os.ReadFile(filepath.Join(b.Coordinator.State(), "runs", run, name))
	}
	return b.Node.Get(ctx, RunDir(run)+"/"+name)
}

// lastPlan is the path of the newest run's plan; empty when there is none.
func (b *Belay) lastPlan(ctx context.Context) (string, error) {
	const newest = `ls -t "$1"/runs/*/plan.yaml 2>/dev/null | head -n 1`
	if b.Coordinator != nil {
		out, err := exec.CommandContext(ctx, "sh", "-c", newest, "last", b.Coordinator.State()).Output()
		return strings.TrimSpace(string(out)), err
	}
	res, err := b.Node.Exec(ctx, "sh", "-c", newest, "last", State)
	return strings.TrimSpace(res.Stdout), err
}

// running is a program that goes on, in the node or here.
type running interface {
	Signal(ctx context.Context, sig syscall.Signal) error
	Wait() (int, error)
}

var _ = []running{(*node.Process)(nil), (*here)(nil)}

// Helper is the program that is to be on the node.
func (b *Belay) Helper() string { return b.helper }

// Masters lists OpenSSH connections that a coordinator left behind.
func (c *Coordinator) Masters() string {
	out, _ := exec.Command("pgrep", "-af", c.config()).Output()
	return string(bytes.TrimSpace(out))
}
