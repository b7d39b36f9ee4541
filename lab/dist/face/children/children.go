// Package children runs the components as processes: of the same executable, or
// of the release's other programs.
//
// K3s has them in one process; upstream's signal setup works once per process,
// so here each has its own. They die with the parent (Pdeathsig), so that
// killing the one process that people know still kills everything.
package children

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// Child is a running component.
type Child struct {
	Name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Exit tells which component ended.
type Exit struct {
	Name string
	Err  error
}

// Set starts children and reports the first unexpected end.
type Set struct {
	executable func(name string) string
	dir        string
	start      chan func()
	exits      chan Exit

	mu       sync.Mutex
	stopping bool
}

// NewSet runs each child from the executable for its name, with dir as their
// working directory.
func NewSet(executable func(name string) string, dir string) *Set {
	s := &Set{executable: executable, dir: dir, start: make(chan func()), exits: make(chan Exit, 16)}
	// Pdeathsig fires when the thread that forked ends, not the process, so
	// all forks happen on one thread that lives as long as the process.
	go func() {
		runtime.LockOSThread()
		for do := range s.start {
			do()
		}
	}()
	return s
}

// Exits reports ends that nobody asked for.
func (s *Set) Exits() <-chan Exit { return s.exits }

// Start runs a component. argv[0] is its name: a process list shows one
// `k3s server` and components named for what they are.
func (s *Set) Start(name string, args ...string) (*Child, error) {
	c := &Child{Name: name, done: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path: s.executable(name), Args: append([]string{name}, args...), Dir: s.dir,
		Stdout: os.Stderr, Stderr: os.Stderr, Env: environment(),
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
	}
	started := make(chan error)
	s.start <- func() { started <- c.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
		s.mu.Lock()
		stopping := s.stopping
		s.mu.Unlock()
		if !stopping {
			s.exits <- Exit{name, c.err}
		}
	}()
	return c, nil
}

// environment is ours without systemd's notification socket: only the server
// itself may say READY.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if len(e) < 14 || e[:14] != "NOTIFY_SOCKET=" {
			env = append(env, e)
		}
	}
	return env
}

// Stopping says that ends are expected from now on.
func (s *Set) Stopping() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
}

// Stop asks a child to end and waits; after grace it is killed.
func (c *Child) Stop(grace time.Duration) {
	if c == nil {
		return
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-c.done
		return
	}
	select {
	case <-c.done:
	case <-time.After(grace):
		logrus.Warnf("%s did not stop within %s, killing it", c.Name, grace)
		if err := c.cmd.Process.Kill(); err == nil {
			<-c.done
		}
	}
}
