// Package release is a directory of releases: one folder per tag with `k3s`
// and `sha256sum-amd64.txt`, as K3s publishes them. The bench's own builds,
// real downloads and bad releases all look like this.
package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"belay.dev/lab/bench/cache"
)

// Sums is the name of the checksum file that K3s publishes for amd64.
const Sums = "sha256sum-amd64.txt"

// Dir is a directory of releases.
type Dir string

// Default is $BELAY_LAB_RELEASES, else what lab/dist built.
func Default() Dir { return Dir(cache.Releases()) }

// Folder is where a tag lies, whether it does or not.
func (d Dir) Folder(tag string) string { return filepath.Join(string(d), tag) }

// Binary is the path of a tag's k3s; the error says how to get it.
func (d Dir) Binary(tag string) (string, error) {
	p := filepath.Join(d.Folder(tag), "k3s")
	if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no release %s in %s: build it with ./dev releases %s, or set BELAY_LAB_RELEASES", tag, d, tag)
	} else if err != nil {
		return "", err
	}
	return p, nil
}

// Images is the airgap tar of a tag, or empty: the bench's k3s has none.
func (d Dir) Images(tag string) string {
	found, _ := filepath.Glob(filepath.Join(d.Folder(tag), "k3s-airgap-images-amd64.tar*"))
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// Real says whether these are real releases rather than the bench's.
func Real() bool { return os.Getenv("BELAY_LAB_RELEASES") != "" }

// WriteSums writes the checksum file of a tag's folder from what lies in it.
func (d Dir) WriteSums(tag string) error {
	var text strings.Builder
	for _, name := range []string{"k3s"} {
		sum, err := SHA256(filepath.Join(d.Folder(tag), name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(d.Folder(tag), Sums), []byte(text.String()), 0o644)
}

// SHA256 of a file, in hex.
func SHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
