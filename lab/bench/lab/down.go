package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"belay.dev/lab/bench/cache"
	"belay.dev/lab/bench/cgroup"
	"belay.dev/lab/bench/node"
)

// Down takes one node away, or with no name the whole lab.
func (l *Lab) Down(ctx context.Context, names ...string) error {
	if len(names) > 0 {
		var errs []error
		for _, name := range names {
			n, err := l.Node(name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, n.Remove(ctx))
		}
		return errors.Join(errs...)
	}
	return removeLab(ctx, l.dir)
}

// Remove takes a lab away by name, without making it first.
func Remove(ctx context.Context, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q cannot name a lab", name)
	}
	return removeLab(ctx, filepath.Join(cache.Labs(), name))
}

// Summary is a lab on record and its nodes.
type Summary struct {
	Name  string
	Nodes []*node.Node
}

// All lists the labs of this cache.
func All() ([]Summary, error) {
	var all []Summary
	dirs, err := labDirs()
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		nodes, err := nodesIn(d)
		if err != nil {
			return nil, err
		}
		all = append(all, Summary{filepath.Base(d), nodes})
	}
	return all, nil
}

func labDirs() ([]string, error) {
	entries, err := os.ReadDir(cache.Labs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(cache.Labs(), e.Name()))
		}
	}
	return dirs, err
}

// DownAll takes away every lab of this cache, and whatever of the bench is
// left on the host that belongs to no lab any more.
func DownAll(ctx context.Context) error {
	dirs, err := labDirs()
	errs := []error{err}
	for _, d := range dirs {
		errs = append(errs, removeLab(ctx, d))
	}
	left, err := Leftovers()
	errs = append(errs, err)
	for _, x := range left {
		errs = append(errs, x.remove(ctx))
	}
	return errors.Join(errs...)
}

// removeLab works from the folder alone: a lab that died half made has no more.
// The folder goes last, so that an interrupted down can be repeated.
func removeLab(ctx context.Context, dir string) error {
	name := filepath.Base(dir)
	// A node folder without node.json was being made: nothing runs in it yet.
	nodes, err := nodesIn(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Remove(ctx))
	}
	groups, err := cgroup.All()
	errs = append(errs, err)
	for _, g := range groups {
		if strings.HasPrefix(g.Name, cgroup.Prefix+name+"-") {
			errs = append(errs, g.Kill(ctx), g.Remove(ctx))
		}
	}
	for _, link := range bridgesOf(dir) {
		errs = append(errs, run(ctx, "ip", "link", "del", link))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("lab %s: %w", name, err)
	}
	unlock, err := lockLabs()
	if err != nil {
		return err
	}
	defer unlock()
	// A copy that was killed with its command may write one file more.
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := os.RemoveAll(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// bridgesOf finds the bridges whose alias names the lab's folder, and the one
// of the lab's number if it was left before it got its alias.
func bridgesOf(dir string) []string {
	var own network
	numbered := false
	if b, err := os.ReadFile(filepath.Join(dir, "network.json")); err == nil {
		numbered = json.Unmarshal(b, &own) == nil
	}
	var names []string
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		if !strings.HasPrefix(i.Name, linkPrefix) {
			continue
		}
		if at := owner(i.Name); at == dir || at == "" && numbered && i.Name == own.bridge() {
			names = append(names, i.Name)
		}
	}
	return names
}

func owner(link string) string {
	b, _ := os.ReadFile("/sys/class/net/" + link + "/ifalias")
	return strings.TrimSpace(string(b))
}

// Leftover is something of the bench on this host that no lab accounts for.
type Leftover struct {
	Kind, Name string
	// Detail says more: the owner of a link, the file behind a loop device.
	Detail string
	remove func(context.Context) error
}

func (x Leftover) String() string { return strings.TrimSpace(x.Kind + " " + x.Name + " " + x.Detail) }

// Leftovers looks at the host, not at the records: groups, namespaces, links,
// loop devices and mounts that carry the bench's names but belong to no node
// on record, here or in another cache.
func Leftovers() ([]Leftover, error) {
	known, links := accounted()
	var left []Leftover
	groups, err := cgroup.All()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if !known[g.Name] {
			left = append(left, Leftover{"control group", g.Name, "", func(ctx context.Context) error {
				return errors.Join(g.Kill(ctx), g.Remove(ctx))
			}})
		}
	}
	spaces, _ := filepath.Glob("/run/netns/" + cgroup.Prefix + "*")
	for _, s := range spaces {
		if name := filepath.Base(s); !known[name] {
			left = append(left, Leftover{"network namespace", name, "", func(ctx context.Context) error {
				return run(ctx, "ip", "netns", "del", name)
			}})
		}
	}
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range ifs {
		if strings.HasPrefix(i.Name, linkPrefix) && !links[i.Name] && !alive(owner(i.Name)) {
			left = append(left, Leftover{"link", i.Name, owner(i.Name), func(ctx context.Context) error {
				return run(ctx, "ip", "link", "del", i.Name)
			}})
		}
	}
	return append(left, storage()...), nil
}

// accounted are the group and namespace names of nodes on record, and the
// names of their links and bridges.
func accounted() (known, links map[string]bool) {
	known, links = map[string]bool{}, map[string]bool{}
	ifs, _ := net.Interfaces()
	dirs := []string{}
	for _, i := range ifs {
		if strings.HasPrefix(i.Name, linkPrefix) && alive(owner(i.Name)) {
			dirs = append(dirs, owner(i.Name)) // also labs of other caches
			links[i.Name] = true
		}
	}
	own, _ := filepath.Glob(filepath.Join(cache.Labs(), "*"))
	for _, d := range append(dirs, own...) {
		nodes, _ := nodesIn(d)
		for _, n := range nodes {
			known[n.Netns()] = true
			links[n.Link()] = true
		}
	}
	return known, links
}

func alive(dir string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Stat(dir)
	return err == nil
}

// storage finds loop devices and mounts below the labs' folder. Nodes keep
// theirs in mount namespaces of their own, so the host should show no mount.
func storage() []Leftover {
	var left []Leftover
	out, _ := exec.Command("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").Output()
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasPrefix(f[1], cache.Labs()+"/") || powered(f[1]) {
			continue
		}
		left = append(left, Leftover{"loop device", f[0], f[1], func(ctx context.Context) error {
			return run(ctx, "losetup", "--detach", f[0])
		}})
	}
	b, _ := os.ReadFile("/proc/self/mounts")
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) > 1 && strings.HasPrefix(f[1], cache.Labs()+"/") {
			left = append(left, Leftover{"mount", f[1], "", func(context.Context) error {
				return syscall.Unmount(f[1], syscall.MNT_DETACH)
			}})
		}
	}
	return left
}

// powered says whether the node that owns an image file is running.
func powered(image string) bool {
	n, err := node.Open(filepath.Dir(filepath.Dir(image)))
	return err == nil && n.Running()
}
