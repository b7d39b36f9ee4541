package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// After makes from a template the one for a goal that something is typed before: a copy in which that was done, once for all
// worlds of the goal.
func After(dir, template string, p Programs, before []string) error {
	if err := ownDisk(dir); err != nil {
		return err
	}
	w, err := NewWorld(dir, template, p)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.start(); err != nil {
		return err
	}
	if d := w.belay(before); d.Code != 0 {
		return fmt.Errorf("%s: exit %d: %s%s", strings.Join(before, " "), d.Code, d.Out, d.Err)
	}
	return w.stop()
}

// What Belay knows again by its inode: the stopped copy that leads back from a committed run.
const known = "var/lib/rancher/k3s/server.belay-*"

// ownDisk mounts a file system for one world. On a tmpfs of its own the inodes are numbered in the order in which they are
// made, so that a copy can give a directory the number that it has in the template.
func ownDisk(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("a disk for %s: %w", dir, err)
	}
	return nil
}

// keepInodes makes, on the fresh disk of a copy, the directories that are known by their inodes.
func keepInodes(from, to string) error {
	var dirs []string
	inodes := map[string]uint64{}
	found, err := filepath.Glob(filepath.Join(from, known))
	if err != nil || len(found) == 0 {
		return err
	}
	if err := ownDisk(to); err != nil {
		return err
	}
	for _, path := range found {
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if inodes[rel], err = inodeOf(path); err != nil {
			return err
		}
		dirs = append(dirs, rel)
	}
	sort.Slice(dirs, func(i, j int) bool { return inodes[dirs[i]] < inodes[dirs[j]] })
	for _, rel := range dirs {
		path := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := passInodes(to, inodes[rel]); err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(from, rel))
		if err != nil {
			return err
		}
		if err := os.Mkdir(path, info.Mode().Perm()); err != nil {
			return err
		}
		if is, err := inodeOf(path); err != nil || is != inodes[rel] {
			return fmt.Errorf("%s has inode %d in the copy, %d in the template (%v)", rel, is, inodes[rel], err)
		}
	}
	return nil
}

// passInodes uses the numbers up to the one before next.
func passInodes(dir string, next uint64) error {
	spare := filepath.Join(dir, ".spare")
	for is := uint64(0); is+1 < next; {
		fd, err := unix.Open(spare, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		if err == nil {
			err = unix.Unlink(spare)
		}
		if err != nil {
			return err
		}
		if is = st.Ino; is >= next {
			return fmt.Errorf("the numbers of the disk are at %d already, %d is wanted", is, next)
		}
	}
	return nil
}

func inodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Ino, err
}

// discard removes a world, with its disk where it has one.
func discard(dir string) error {
	for unix.Unmount(dir, unix.MNT_DETACH) == nil {
	}
	return os.RemoveAll(dir)
}
