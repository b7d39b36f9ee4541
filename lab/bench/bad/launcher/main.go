// The launcher of a bad release. It becomes the good k3s that it carries by
// exec, so the process that systemd watches ends as data/<hash>/bin/k3s like
// any other; where something must go wrong later, a small process beside it
// sees to that and ends with it.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"belay.dev/lab/bench/bad/payload"
)

func main() {
	if os.Args[0] == saboteur {
		sabotage(os.Args[1:])
		return
	}
	if err := launch(); err != nil {
		fmt.Fprintln(os.Stderr, "k3s:", err)
		os.Exit(1)
	}
}

func launch() error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	fault, err := payload.Read(self)
	if err != nil {
		return err
	}
	argv, env := os.Args, os.Environ()
	if isServer(argv) {
		switch fault.Kind {
		case "no-start":
			return fmt.Errorf("level=fatal msg=\"lab: this release does not start\"")
		case "never-ready":
			env = without(env, "NOTIFY_SOCKET")
			// One nanosecond to reach the datastore: the readiness check of
			// the API server fails for ever, everything else works.
			argv = append(argv, "--kube-apiserver-arg=etcd-readycheck-timeout=1ns")
		case "empty-datastore":
			if err := loseDatastore(argv); err != nil {
				return err
			}
		case "refuses-key":
			if err := refuseKey(fault.Key); err != nil {
				return err
			}
		case "refuses-newer":
			if _, err := os.Stat(newerMark(argv)); err == nil {
				return fmt.Errorf("level=fatal msg=\"lab: invalid downgrade; server version is lower than determined cluster version\"")
			}
		case "dies-after", "kubelet-never":
			if err := startSaboteur(fault); err != nil {
				return err
			}
		}
	}
	if fault.Newer && isServer(argv) {
		if err := markNewer(newerMark(argv)); err != nil {
			return err
		}
	}
	good, err := unpack(self, fault)
	if err != nil {
		return err
	}
	return syscall.Exec(good, argv, env)
}

// isServer is true for `k3s server` only, not for a link named kubectl.
func isServer(argv []string) bool {
	switch filepath.Base(argv[0]) {
	case "kubectl", "crictl", "ctr":
		return false
	}
	return len(argv) > 1 && argv[1] == "server"
}

// unpack writes the good k3s to a private place that a boot empties: /run,
// else (mounted noexec, or not ours) the temporary directory. It is kept for
// the next call. Running it from memory would leave nothing behind, but a k3s
// that opens its own executable by name would not find it.
func unpack(self *os.File, fault payload.Fault) (string, error) {
	var last error
	for _, base := range []string{"/run", os.TempDir()} {
		dir := filepath.Join(base, "lab-bad-"+fault.SHA256[:12])
		path := filepath.Join(dir, "k3s")
		if last = unpackTo(self, fault, dir, path); last != nil {
			continue
		}
		if last = syscall.Access(path, 1); last == nil { // X_OK: also says noexec
			return path, nil
		}
	}
	return "", fmt.Errorf("unpack the good k3s: %w", last)
}

func unpackTo(self *os.File, fault payload.Fault, dir, path string) error {
	if st, err := os.Stat(path); err == nil && st.Size() == fault.Size {
		return nil // it got its name only when it was whole
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "k3s.")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	h := sha256.New()
	part := io.NewSectionReader(self, fault.Offset, fault.Size)
	if _, err := io.Copy(io.MultiWriter(tmp, h), part); err != nil {
		return err
	}
	if err := tmp.Chmod(0o755); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != fault.SHA256 {
		return fmt.Errorf("the good k3s inside has sha256 %s, not %s", sum, fault.SHA256)
	}
	return os.Rename(tmp.Name(), path)
}

// loseDatastore moves the datastore aside once: the start after it makes an
// empty cluster with the old certificates, as an interrupted restore does.
func loseDatastore(argv []string) error {
	db := filepath.Join(dataDir(argv), "server", "db")
	lost := db + ".lost"
	if _, err := os.Stat(lost); err == nil {
		return nil
	}
	if err := os.Rename(db, lost); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.MkdirAll(db, 0o700)
}

func dataDir(argv []string) string {
	for i, a := range argv {
		for _, flag := range []string{"--data-dir", "-d"} {
			if a == flag && i+1 < len(argv) {
				return argv[i+1]
			}
			if v, ok := strings.CutPrefix(a, flag+"="); ok {
				return v
			}
		}
	}
	if d := os.Getenv("K3S_DATA_DIR"); d != "" {
		return d
	}
	return "/var/lib/rancher/k3s"
}

func without(env []string, name string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}
