// Package belay runs the program under test in a node and reads what it
// leaves: exit code, report, journal. It knows Belay by its files and its
// command line only, as an administrator does.
package belay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/node"
)

// Paths in a node.
const (
	Program = "/usr/local/bin/belay"
	// CrashProgram kills itself right after a record of its journal that the
	// environment names; its helper is the one of Program.
	CrashProgram = "/usr/local/bin/belay-crash"
	Helper       = "/usr/local/lib/belay/belay-helper"
	State        = "/var/lib/belay"
	NodeState    = State + "/node"
)

// Belay is the program in one node.
type Belay struct {
	Node *node.Node
	// Mirror is what --mirror and BELAY_MIRROR say: a directory of the node,
	// or an address.
	Mirror string
	// Env is what the program finds in its environment besides.
	Env []string
	// Coordinator is the host, when Belay runs there and reaches the node over
	// SSH; nil when it runs in the node.
	Coordinator *Coordinator
	helper      string
}

// Install places the programs that ./dev built, or those that the environment
// names, where Belay's packages would.
func Install(ctx context.Context, n *node.Node) (*Belay, error) {
	program, helper, err := Built()
	if err != nil {
		return nil, err
	}
	return &Belay{Node: n}, n.InstallBelay(ctx, program, helper)
}

// Built finds the two programs on the host.
func Built() (program, helper string, err error) {
	if program, err = built("BELAY_BIN", "bin/belay"); err != nil {
		return "", "", err
	}
	helper, err = built("BELAY_HELPER", "bin/belay-helper")
	return program, helper, err
}

// InstallCrash places the build that can be killed at its own records.
func (b *Belay) InstallCrash(ctx context.Context) error {
	program, err := built("BELAY_CRASH_BIN", "bin/belay-crash")
	if err != nil || b.Coordinator != nil {
		return err
	}
	return b.Node.PutFile(ctx, program, CrashProgram, 0o755)
}

// built finds a program and says how to get it.
func built(variable, below string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join(cache.Dir(), below)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: build it with ./dev build, or set %s", err, variable)
	}
	return path, nil
}

// Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
	// Report is what --output json printed, if it was a report.
	Report *Report
	// Refusal is the message of an error that --output json printed.
	Refusal string
	Took    time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("exit %d after %s\n%s%s", r.Code, r.Took.Round(100*time.Millisecond), r.Stdout, r.Stderr)
}

// Says tells whether the words stand anywhere in what was printed.
func (r Result) Says(words string) bool { return strings.Contains(r.Stdout+r.Stderr, words) }

// Run runs `belay ARGS… --output json` to its end. An exit code is a result.
func (b *Belay) Run(ctx context.Context, args ...string) (Result, error) {
	p, err := b.Start(ctx, args...)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Start runs it beside the test.
func (b *Belay) Start(ctx context.Context, args ...string) (*Process, error) {
	return b.start(ctx, append([]string{Program}, args...), nil)
}

// StartToDieAfter runs the build that kills itself with SIGKILL right after
// the given record that it writes, counted from 1.
func (b *Belay) StartToDieAfter(ctx context.Context, record int, args ...string) (*Process, error) {
	return b.start(ctx, append([]string{CrashProgram}, args...), []string{fmt.Sprintf("BELAY_CRASH_AFTER_RECORD=%d", record)})
}

func (b *Belay) start(ctx context.Context, args, env []string) (*Process, error) {
	if b.Mirror != "" {
		env = append(env, "BELAY_MIRROR="+b.Mirror)
	}
	env = append(env, b.Env...)
	p := &Process{begin: time.Now()}
	args = append(args, "--output", "json")
	if b.Coordinator != nil {
		return p, b.startHere(ctx, p, args, env)
	}
	argv := append(append([]string{"env"}, env...), args...)
	process, err := b.Node.StartTo(ctx, &p.out, &p.err, argv...)
	p.process = process
	return p, err
}

// Process is a command that goes on.
type Process struct {
	process  running
	out, err bytes.Buffer
	begin    time.Time
}

// Kill is kill -9 of the program itself.
func (p *Process) Kill(ctx context.Context) error { return p.process.Signal(ctx, syscall.SIGKILL) }

// Interrupt is Ctrl-C.
func (p *Process) Interrupt(ctx context.Context) error { return p.process.Signal(ctx, syscall.SIGINT) }

// Pause stops it where it is, as a suspended laptop does.
func (p *Process) Pause(ctx context.Context) error { return p.process.Signal(ctx, syscall.SIGSTOP) }

// Continue lets it go on.
func (p *Process) Continue(ctx context.Context) error { return p.process.Signal(ctx, syscall.SIGCONT) }

// Killed is the exit code of a program that was killed with SIGKILL.
const Killed = 137

// Wait waits for its end and reads what it printed.
func (p *Process) Wait() (Result, error) {
	code, err := p.process.Wait()
	r := Result{Code: code, Stdout: p.out.String(), Stderr: p.err.String(), Took: time.Since(p.begin)}
	if err != nil {
		return r, err
	}
	r.read()
	return r, nil
}

// read takes the report or the error out of standard output; what is neither
// stays text.
func (r *Result) read() {
	var said struct {
		Belay string `json:"belay"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(r.Stdout), &said) != nil {
		return
	}
	if said.Error != nil {
		r.Refusal = said.Error.Message
	}
	if said.Belay == reportFormat {
		r.Report, _ = ReadReport([]byte(r.Stdout))
	}
}

// ErrNoRun is what Run of a node without any run is.
var ErrNoRun = errors.New("no run was ever made on this node")

// LastRun is the id of the newest run.
func (b *Belay) LastRun(ctx context.Context) (string, error) {
	path, err := b.lastPlan(ctx)
	if err != nil {
		return "", err
	}
	if path == "" {
		return "", ErrNoRun
	}
	return filepath.Base(filepath.Dir(path)), nil
}

// RunDir is where a run lies on the coordinator's side.
func RunDir(run string) string { return filepath.Join(State, "runs", run) }
