// Package clock gives one program a time of day that a test can set, and leaves
// the machine's alone: the nodes of a lab share it with the host.
package clock

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Clock is in the environment of a dynamically linked program of the host.
type Clock struct{ dir string }

// New makes one that is right.
func New(ctx context.Context, dir string) (*Clock, error) {
	_, here, _, _ := runtime.Caller(0)
	c := &Clock{dir}
	build := exec.CommandContext(ctx, "gcc", "-shared", "-fPIC", "-O1", "-o", c.library(), filepath.Join(filepath.Dir(here), "preload", "clock.c"))
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the clock: %w\n%s", err, text)
	}
	return c, c.Set(0)
}

func (c *Clock) library() string { return filepath.Join(c.dir, "clock.so") }

func (c *Clock) file() string { return filepath.Join(c.dir, "clock") }

// Env is what a program needs to go by it.
func (c *Clock) Env() []string { return []string{"LD_PRELOAD=" + c.library(), "LAB_CLOCK=" + c.file()} }

// Set sets it so far off, from one moment to the next.
func (c *Clock) Set(off time.Duration) error {
	staging := c.file() + ".new"
	if err := os.WriteFile(staging, fmt.Appendf(nil, "%d", int64(off.Seconds())), 0o600); err != nil {
		return err
	}
	return os.Rename(staging, c.file())
}
