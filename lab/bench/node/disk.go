package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The disk of a node is one folder, so that saving and resetting it is copying
// one folder:
//
//	disk/upper      what the node changed in its root (overlay)
//	disk/data/lib   its /var/lib: all of K3s' and Belay's state, one file system
//	disk/data/local its /usr/local: the swap of the binary happens here
//	disk/data.img   instead of disk/data, when the size is limited
//
// /var/lib is not on the overlay because containerd's own overlays cannot
// stand on one, and because a machine has its state on a plain file system.
func (n *Node) disk() string  { return filepath.Join(n.dir, "disk") }
func (n *Node) upper() string { return filepath.Join(n.disk(), "upper") }
func (n *Node) image() string { return filepath.Join(n.disk(), "data.img") }

// HostPath is where the host sees a path of a running node: for a test that
// has no time to start a process in it.
func (n *Node) HostPath(path string) (string, error) {
	pid, err := n.Leader()
	return fmt.Sprintf("/proc/%d/root%s", pid, path), err
}

// Inode tells what lies at a path below /var/lib or /usr/local of a node with a
// limited disk and without power: the number of its inode, 0 where there is
// nothing.
func (n *Node) Inode(ctx context.Context, path string) (int, error) {
	for mounted, dir := range map[string]string{"/var/lib/": "/lib/", "/usr/local/": "/local/"} {
		if rest, ok := strings.CutPrefix(path, mounted); ok {
			path = dir + rest
		}
	}
	out, err := mortal(ctx, "debugfs", "-R", `stat "`+path+`"`, n.image())
	if err != nil {
		return 0, fmt.Errorf("debugfs: %w\n%s", err, out)
	}
	if bytes.Contains(out, []byte("File not found")) {
		return 0, nil
	}
	_, rest, _ := strings.Cut(string(out), "Inode: ")
	inode, err := strconv.Atoi(strings.SplitN(rest, " ", 2)[0])
	if err != nil {
		return 0, fmt.Errorf("debugfs does not say what lies at %s: %s", path, out)
	}
	return inode, nil
}

func (n *Node) saved(name string) string { return filepath.Join(n.dir, "saves", name) }

func (n *Node) makeDisk(ctx context.Context) error {
	if err := os.RemoveAll(n.disk()); err != nil {
		return err
	}
	for _, d := range []string{n.upper(), filepath.Join(n.disk(), "data"), filepath.Join(n.dir, "root")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	data := filepath.Join(n.disk(), "data")
	for to, from := range map[string]string{"lib": "var/lib", "local": "usr/local"} {
		if err := copyTree(ctx, filepath.Join(n.Root, from), filepath.Join(data, to)); err != nil {
			return err
		}
	}
	if err := n.identity(); err != nil {
		return err
	}
	if n.DiskMB == 0 {
		return nil
	}
	// -d fills the file system while it is made: no mount is needed. The
	// default reserve for root would hide 5 % from a test that counts bytes.
	out, err := mortal(ctx, "mkfs.ext4", "-q", "-m", "0", "-d", data, n.image(), strconv.Itoa(n.DiskMB)+"M")
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w\n%s", err, out)
	}
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	return os.Mkdir(data, 0o755)
}

// Save keeps the state of the disk under a name, replacing an older save of
// that name. A node with power is cut first: a copy of a disk in use is no
// state that any machine was ever in.
func (n *Node) Save(ctx context.Context, name string) error {
	if err := saveName(name); err != nil {
		return err
	}
	if err := n.PowerCut(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(n.saved(name)), 0o755); err != nil {
		return err
	}
	tmp := n.saved(name) + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := copyTree(ctx, n.disk(), tmp); err != nil {
		return err
	}
	if err := os.RemoveAll(n.saved(name)); err != nil {
		return err
	}
	return os.Rename(tmp, n.saved(name))
}

// Reset cuts the power and puts a saved disk back. The save stays, so that a
// test can begin fifty times from the same state.
func (n *Node) Reset(ctx context.Context, name string) error {
	if err := saveName(name); err != nil {
		return err
	}
	if _, err := os.Stat(n.saved(name)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no save named %q", n.Name, name)
	}
	if err := n.PowerCut(ctx); err != nil {
		return err
	}
	fresh, old := n.disk()+".new", n.disk()+".old"
	for _, d := range []string{fresh, old} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	if err := copyTree(ctx, n.saved(name), fresh); err != nil {
		return err
	}
	if err := os.Rename(n.disk(), old); err != nil {
		return err
	}
	if err := os.Rename(fresh, n.disk()); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// Saves lists the names of the saved states.
func (n *Node) Saves() []string {
	entries, _ := os.ReadDir(filepath.Join(n.dir, "saves"))
	var names []string
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

func saveName(name string) error {
	if name == "" || strings.ContainsAny(name, "./ ") {
		return fmt.Errorf("%q cannot name a save: no dots, slashes or blanks", name)
	}
	return nil
}

// copyTree keeps owners, times, hard links, extended attributes (an overlay's
// upper layer speaks in them), device nodes and sockets, shares blocks where
// the file system can, and keeps holes.
func copyTree(ctx context.Context, from, to string) error {
	out, err := mortal(ctx, "cp", "-a", "--reflink=auto", "--sparse=auto", "-T", from, to)
	if err != nil {
		return fmt.Errorf("cp %s: %w\n%s", from, err, out)
	}
	return nil
}

// mortal runs a command that dies with us: a copy that went on after a kill -9
// would fill the folder that the next `down` is deleting. The signal comes when
// the thread that forked ends, so the thread is ours until the command has
// ended: another goroutine's, that was in a node's namespace, would end it.
func mortal(ctx context.Context, name string, args ...string) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.CombinedOutput()
}

// diskReleased waits until the kernel has let go of the image: the unmount of
// a dead mount namespace happens a moment after its last process has gone.
func (n *Node) diskReleased(ctx context.Context) error {
	if n.DiskMB == 0 {
		return nil
	}
	return until(ctx, 20*time.Second, "the loop device of "+n.Name+" to be released", func() bool {
		out, err := exec.Command("losetup", "-j", n.image()).Output()
		return err == nil && len(strings.TrimSpace(string(out))) == 0
	})
}

// until polls a condition with a deadline; every wait of the bench is one.
func until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
