package payload

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// Extract makes sure that dataDir/data/<hash> is there and returns its path.
//
// The order is K3s' (k3s-facts §2.2), because the hazards that Belay guards
// against lie in it: an existing directory is taken as it is, without a check
// and without moving any link; links are moved before the directory gets its
// final name, so a crash in between leaves `current` dangling.
func (a *Archive) Extract(dataDir, defaultDir string) (string, error) {
	target := filepath.Join(dataDir, "data", a.Manifest.Hash)
	// Assets that the default directory already holds are used even when
	// another directory was asked for.
	if fallback := filepath.Join(defaultDir, "data", a.Manifest.Hash); present(fallback) {
		return fallback, nil
	}
	if present(target) {
		return target, nil
	}
	if err := os.MkdirAll(filepath.Join(dataDir, "data"), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dataDir, "data", ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if present(target) { // another process was faster
		return target, nil
	}
	staging := target + "-tmp"
	if err := os.RemoveAll(staging); err != nil {
		return "", err
	}
	if err := a.unpack(staging); err != nil {
		return "", errors.Join(err, os.RemoveAll(staging))
	}
	if err := link(filepath.Join(staging, "bin")); err != nil {
		return "", err
	}
	if err := Verify(filepath.Join(staging, "bin")); err != nil {
		return "", err
	}
	if err := rotate(dataDir, target, staging); err != nil {
		return "", err
	}
	return target, os.Rename(staging, target)
}

func present(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "bin", "k3s"))
	return err == nil
}

func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func (a *Archive) unpack(dir string) error {
	plain, err := zstd.NewReader(a.reader())
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("payload: entry %q leaves the directory", header.Name)
		}
		if err := writeEntry(filepath.Join(dir, header.Name), header, archive); err != nil {
			return err
		}
	}
}

func writeEntry(path string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeReg:
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(header.Mode).Perm())
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, content); err != nil {
			return errors.Join(err, f.Close())
		}
		return errors.Join(f.Close(), os.Chtimes(path, header.ModTime, header.ModTime))
	default:
		return fmt.Errorf("payload: entry %q is of kind %q", header.Name, header.Typeflag)
	}
}

// link makes the links that .links lists, one "name target" a line.
func link(bin string) error {
	return eachLine(filepath.Join(bin, ".links"), func(name, target string) error {
		return os.Symlink(target, filepath.Join(bin, name))
	})
}

// rotate re-points current, previous and cni/* as K3s does on extraction.
func rotate(dataDir, target, staging string) error {
	data := filepath.Join(dataDir, "data")
	current, previous := filepath.Join(data, "current"), filepath.Join(data, "previous")
	if _, err := os.Lstat(current); err == nil {
		if err := os.Rename(current, previous); err != nil {
			return err
		}
	}
	if err := os.Symlink(target, current); err != nil {
		return err
	}
	cni := filepath.Join(data, "cni")
	if err := os.MkdirAll(cni, 0o755); err != nil {
		return err
	}
	names := []string{"cni"}
	err := eachLine(filepath.Join(staging, "bin", ".links"), func(name, target string) error {
		if target == "cni" {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(cni, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(filepath.Join(target, "bin", "cni"), path); err != nil {
			return err
		}
	}
	return nil
}

func eachLine(path string, do func(first, second string) error) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		first, second, ok := strings.Cut(line, " ")
		if !ok {
			return fmt.Errorf("%s: line %q has one word", path, line)
		}
		if err := do(first, strings.TrimSpace(second)); err != nil {
			return err
		}
	}
	return nil
}
