package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Verify compares a bin directory with its .sha256sums and .links. K3s does it
// for what it has just extracted and never again.
func Verify(bin string) error {
	err := eachLine(filepath.Join(bin, ".sha256sums"), func(want, name string) error {
		got, err := Sum(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: sha256 is %s, .sha256sums says %s", name, got, want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachLine(filepath.Join(bin, ".links"), func(name, want string) error {
		got, err := os.Readlink(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: links to %s, .links says %s", name, got, want)
		}
		return nil
	})
}

// Sum is the hex sha256 of a file.
func Sum(path string) (string, error) {
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
