// Package cgroup gives each node a control group of its own in every mounted
// hierarchy. The group is the one handle that survives the death of whoever
// started the node: what is in it belongs to the node, whoever its parent is
// by now.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Prefix marks every group of the bench.
const Prefix = "belay-"

// Group is a control group of one name in all hierarchies.
type Group struct{ Name string }

// Named is the group for a lab's node.
func Named(lab, node string) Group { return Group{Name: Prefix + lab + "-" + node} }

// Hierarchies lists the mount points of all cgroup file systems: a dozen on
// cgroup v1, one on v2.
func Hierarchies() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var dirs []string
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		head, tail, ok := strings.Cut(sc.Text(), " - ")
		if !ok {
			continue
		}
		at, kind := strings.Fields(head), strings.Fields(tail)
		if len(at) < 5 || len(kind) < 1 || (kind[0] != "cgroup" && kind[0] != "cgroup2") {
			continue
		}
		// The same hierarchy may be mounted elsewhere too (a chroot, for
		// example); the well-known place is the one that processes use.
		if strings.HasPrefix(at[4], "/sys/fs/cgroup") && !slices.Contains(dirs, at[4]) {
			dirs = append(dirs, at[4])
		}
	}
	if len(dirs) == 0 {
		return nil, errors.New("no cgroup file system is mounted below /sys/fs/cgroup")
	}
	return dirs, sc.Err()
}

// Dirs are the group's directories, one per hierarchy.
func (g Group) Dirs() ([]string, error) {
	hs, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	for i, h := range hs {
		hs[i] = filepath.Join(h, g.Name)
	}
	return hs, nil
}

// Create makes the group everywhere. On v1 a new cpuset group has no CPUs and
// no memory nodes, and nothing can join it until it has, so those are copied
// from the parent.
func (g Group) Create() error {
	dirs, err := g.Dirs()
	if err != nil {
		return err
	}
	for _, d := range dirs {
		parent := filepath.Dir(d)
		enableControllers(parent)
		if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make control group: %w", err)
		}
		for _, knob := range []string{"cpuset.cpus", "cpuset.mems"} {
			b, err := os.ReadFile(filepath.Join(parent, knob))
			if err != nil || strings.TrimSpace(string(b)) == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(d, knob), b, 0o644); err != nil {
				return fmt.Errorf("copy %s: %w", knob, err)
			}
		}
	}
	return nil
}

// enableControllers lets children of a v2 group use the controllers that a
// kubelet needs. On a host that runs systemd they are on already.
func enableControllers(parent string) {
	knob := filepath.Join(parent, "cgroup.subtree_control")
	if _, err := os.Stat(knob); err != nil {
		return
	}
	for _, c := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
		_ = os.WriteFile(knob, []byte("+"+c), 0o644)
	}
}

// Procs lists the process ids in the group and below it.
func (g Group) Procs() []int {
	dirs, err := g.Dirs()
	if err != nil {
		return nil
	}
	seen := map[int]bool{}
	for _, d := range dirs {
		_ = filepath.WalkDir(d, func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() != "cgroup.procs" {
				return nil
			}
			b, _ := os.ReadFile(p)
			for _, w := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(w); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	pids := make([]int, 0, len(seen))
	for p := range seen {
		pids = append(pids, p)
	}
	sort.Ints(pids)
	return pids
}

// Kill sends SIGKILL to everything in the group until nothing is left.
func (g Group) Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		pids := g.Procs()
		if len(pids) == 0 {
			return nil
		}
		for _, p := range pids {
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("processes %v of %s outlive SIGKILL: %w", pids, g.Name, err)
		}
	}
}

// Remove takes the emptied group away everywhere. The kernel refuses for a
// moment after the last process has gone, so it is asked again; so it does when
// one has joined since the kill, whose parent had died before it could: that
// one is killed as well.
func (g Group) Remove(ctx context.Context) error {
	dirs, err := g.Dirs()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, d := range dirs {
		for {
			err := removeTree(d)
			if err == nil {
				break
			}
			for _, p := range g.Procs() {
				_ = syscall.Kill(p, syscall.SIGKILL)
			}
			if perr := pause(ctx, 5*time.Millisecond); perr != nil {
				return fmt.Errorf("remove control group: %w", err)
			}
		}
	}
	return nil
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("rmdir %s: %w", dir, err)
	}
	return nil
}

// All lists the groups of the bench that exist, of any lab.
func All() ([]Group, error) {
	hs, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	var gs []Group
	for _, h := range hs {
		found, _ := filepath.Glob(filepath.Join(h, Prefix+"*"))
		for _, f := range found {
			g := Group{Name: filepath.Base(f)}
			if !slices.Contains(gs, g) {
				gs = append(gs, g)
			}
		}
	}
	return gs, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
