// Package k3s is a K3s for crash tests: it has K3s' face as far as Belay looks
// at it, starts in some milliseconds, and remembers every write that it
// acknowledged, so that a loss is seen. It is no Kubernetes.
package k3s

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// Kind is what is wrong with a release.
type Kind string

const (
	Good Kind = "good"
	// Other serves another cluster than the one it found: the identity gate says no at once.
	Other Kind = "other-cluster"
	// Dies ends before it is ready.
	Dies Kind = "dies"
)

const trailer = "\nBELAY-STUB "

// Release is one version of the stub.
type Release struct {
	Tag  string
	Kind Kind
}

// Hash names its directory in data/.
func (r Release) Hash() string {
	sum := sha256.Sum256([]byte(r.Tag + " " + string(r.Kind)))
	return hex.EncodeToString(sum[:])
}

// Inner is the program that runs from data/<hash>/bin: the launcher, told apart by its end.
func (r Release) Inner(launcher []byte) []byte {
	return append(bytes.Clone(launcher), fmt.Sprintf("%s%s %s", trailer, r.Tag, r.Kind)...)
}

// Wrapper is the file that is installed: it extracts itself where it is told to, and runs what it extracted. What it
// carries lies in a directory beside the node's, so that an extraction costs nothing.
func (r Release) Wrapper() string {
	return fmt.Sprintf(`#!/bin/sh
# %[2]s
if [ "$1" = --version ]; then echo "k3s version %[1]s (stub)"; exit 0; fi
data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}/data
d=$data/%[2]s
if [ ! -d "$d" ]; then
	mkdir -p "$d.tmp/bin" && cp -al /stub/%[2]s/. "$d.tmp/bin/" && mv "$d.tmp" "$d" || exit 1
	if [ -L "$data/current" ]; then ln -sfn "$(readlink "$data/current")" "$data/previous"; fi
	ln -sfn "$d" "$data/current"
fi
if [ "$1" = kubectl ]; then exit 0; fi
exec "$d/bin/k3s" "$@"
`, r.Tag, r.Hash())
}

// Payload writes what the wrapper extracts.
func (r Release) Payload(root string, launcher []byte) error {
	dir := filepath.Join(root, "stub", r.Hash())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	inner := r.Inner(launcher)
	sum := sha256.Sum256(inner)
	files := []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{"k3s", inner, 0o755},
		{".sha256sums", []byte(hex.EncodeToString(sum[:]) + "  k3s\n"), 0o644},
		{".links", []byte("kubectl k3s\n"), 0o644},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.text, f.mode); err != nil {
			return err
		}
	}
	return os.Symlink("k3s", filepath.Join(dir, "kubectl"))
}

// ownRelease reads from this program's end what it is.
func ownRelease() (Release, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return Release{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Release{}, err
	}
	end := make([]byte, 128)
	if _, err := f.ReadAt(end, st.Size()-int64(len(end))); err != nil {
		return Release{}, err
	}
	at := bytes.LastIndex(end, []byte(trailer))
	if at < 0 {
		return Release{}, fmt.Errorf("this program has no release at its end")
	}
	var r Release
	_, err = fmt.Sscanf(string(end[at+len(trailer):]), "%s %s", &r.Tag, &r.Kind)
	return r, err
}
