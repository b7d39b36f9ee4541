package belay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"belay.dev/lab/bench/release"
)

// Offer shows a directory of releases of the host in the node, read-only, and
// makes it the mirror: as a stick in the machine that every boot pulls out, so
// offer it again after one. Nothing is copied, so that saving and resetting
// the node's disk stays a matter of seconds.
func (b *Belay) Offer(ctx context.Context, releases release.Dir) error {
	if b.Coordinator != nil {
		b.Mirror = string(releases)
		return nil
	}
	at := "/run/lab-releases/" + filepath.Base(string(releases))
	if _, err := b.Node.Must(ctx, "mkdir", "-p", at); err != nil {
		return err
	}
	pid, err := b.Node.Leader()
	if err != nil {
		return err
	}
	if err := mountInto(pid, string(releases), at); err != nil {
		return fmt.Errorf("show %s in %s: %w", releases, b.Node.Name, err)
	}
	b.Mirror = at
	return nil
}

// mountInto attaches a host's directory in the mount namespace of a process.
func mountInto(pid int, from, at string) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer unix.Close(tree)
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &readOnly); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	// The process's root, not the namespace's: the two differ in a container.
	to, err := unix.Open(fmt.Sprintf("/proc/%d/root%s", pid, at), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	space, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return err
	}
	defer space.Close()
	own, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	defer own.Close()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with its goroutine, because it has
		// been in another namespace. But Go never ends a program's first
		// thread; it would hold the node's disks after its power, so go home.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("setns: %w", err)
			}
			defer func() { _ = unix.Setns(int(own.Fd()), unix.CLONE_NEWNS) }()
			if err := unix.MoveMount(tree, "", to, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
				return fmt.Errorf("move_mount: %w", err)
			}
			return nil
		}()
	}()
	return <-done
}
