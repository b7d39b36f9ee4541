package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Result is how a command in the node ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Exec runs a command in the node and waits for it. An exit code is a result,
// not an error: err tells only that the command could not be run.
func (n *Node) Exec(ctx context.Context, args ...string) (Result, error) {
	return n.ExecInput(ctx, nil, args...)
}

// ExecInput is Exec with something on standard input.
func (n *Node) ExecInput(ctx context.Context, in io.Reader, args ...string) (Result, error) {
	cmd, err := n.Command(ctx, args...)
	if err != nil {
		return Result{}, err
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err = cmd.Run()
	res := Result{Stdout: out.String(), Stderr: errs.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		res.Code = exit.ExitCode()
		if exit.ExitCode() < 0 {
			if ctx.Err() != nil {
				return res, ctx.Err()
			}
			res.Code = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
		return res, nil
	}
	return res, err
}

// Must is Exec for a command that has to succeed; it returns standard output.
func (n *Node) Must(ctx context.Context, args ...string) (string, error) {
	res, err := n.Exec(ctx, args...)
	if err != nil {
		return "", err
	}
	if res.Code != 0 {
		return res.Stdout, fmt.Errorf("%s: %s: exit %d\n%s%s", n.Name, strings.Join(args, " "), res.Code, res.Stdout, res.Stderr)
	}
	return res.Stdout, nil
}

// Command prepares a command in the node, for callers that stream or stop it.
// It joins the node's control group, so it dies with the node, and all its
// namespaces; the environment is a login's, not the caller's.
func (n *Node) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	pid, err := n.Leader()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	groups, err := n.execGroups()
	if err != nil {
		return nil, err
	}
	join := "while [ $1 != -- ]; do echo $$ >$1/cgroup.procs || exit 125; shift; done; shift; exec \"$@\""
	argv := append([]string{"-c", join, "belay-exec"}, groups...)
	argv = append(argv, "--", "nsenter", "--target", strconv.Itoa(pid),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH="+searchPath, "HOME=/root", "USER=root", "LOGNAME=root",
		"SHELL=/bin/bash", "LANG=C.UTF-8", "TERM="+terminal())
	cmd := exec.CommandContext(ctx, "sh", append(argv, args...)...)
	// A killed nsenter leaves the command running in the node and holding our
	// pipes; do not wait for it for ever.
	cmd.WaitDelay = 2 * time.Second
	return cmd, nil
}

func terminal() string {
	if t := os.Getenv("TERM"); t != "" {
		return t
	}
	return "dumb"
}

// execGroups are the groups a command joins: one beside systemd's own slices
// where systemd keeps its tree, else the node's group itself.
func (n *Node) execGroups() ([]string, error) {
	dirs, err := n.group.Dirs()
	if err != nil {
		return nil, err
	}
	for i, d := range dirs {
		payload := filepath.Join(d, "payload")
		if _, err := os.Stat(payload); err != nil {
			continue
		}
		dirs[i] = filepath.Join(payload, "lab.scope")
		if err := os.Mkdir(dirs[i], 0o755); err != nil && !os.IsExist(err) {
			return nil, err
		}
	}
	return dirs, nil
}

// Process is a command that runs in the node while a test does other things.
type Process struct {
	cmd  *exec.Cmd
	node *Node
	// Out collects both outputs; read it after Wait.
	Out *bytes.Buffer
}

// Start runs a command in the node in the background.
func (n *Node) Start(ctx context.Context, args ...string) (*Process, error) {
	cmd, err := n.Command(ctx, args...)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, node: n, Out: &bytes.Buffer{}}
	cmd.Stdout, cmd.Stderr = p.Out, p.Out
	return p, cmd.Start()
}

// StartTo is Start for a caller that wants the two outputs apart; Out stays
// empty.
func (n *Node) StartTo(ctx context.Context, stdout, stderr io.Writer, args ...string) (*Process, error) {
	cmd, err := n.Command(ctx, args...)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return &Process{cmd: cmd, node: n, Out: &bytes.Buffer{}}, cmd.Start()
}

// Pid is the host's number of the command itself, which is the child of the
// nsenter that we started.
func (p *Process) Pid(ctx context.Context) (int, error) {
	var pid int
	err := until(ctx, 5*time.Second, "the command to start", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid))
		if err != nil {
			return false
		}
		f := strings.Fields(string(b))
		if len(f) == 0 {
			return false
		}
		pid, err = strconv.Atoi(f[0])
		return err == nil
	})
	return pid, err
}

// Signal reaches the command, not the nsenter around it: SIGKILL here is a
// real kill -9 of the program under test. An nsenter whose child stops stops
// itself, and nobody but us wakes it: without that it never tells the end.
func (p *Process) Signal(ctx context.Context, sig syscall.Signal) error {
	pid, err := p.Pid(ctx)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, sig); err != nil || sig != syscall.SIGCONT {
		return err
	}
	return p.cmd.Process.Signal(sig)
}

// Wait returns the exit code, 128 + n for signal n.
func (p *Process) Wait() (int, error) {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}
