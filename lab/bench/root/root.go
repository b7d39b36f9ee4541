// Package root makes the Debian root that all nodes share as their lower
// layer: once per content, then found again by its key.
package root

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"belay.dev/lab/bench/cache"
)

// suite is what issue and README promise: Debian 12.
const suite = "bookworm"

// packages is what a plain server install has and K3s expects. iptables and
// nftables serve K3s' kube-proxy and the faults; no python, no compiler.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "iptables",
	"nftables", "kmod", "ca-certificates", "curl", "procps", "less", "sudo",
}

//go:embed prepare.sh
var prepareScript string

//go:embed setup.sh
var setupScript string

// Key changes with everything that decides what is in the root.
func Key() string {
	h := sha256.New()
	fmt.Fprintln(h, suite, strings.Join(packages, ","))
	fmt.Fprintln(h, prepareScript, setupScript)
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Path is where the root of the present key lies, made or not.
func Path() string { return filepath.Join(cache.Dir(), "root-"+Key()) }

// Ensure makes the root unless it is there and returns its path. progress gets
// one line when work begins, because a first call takes a minute.
func Ensure(ctx context.Context, progress func(string)) (string, error) {
	dir := Path()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache.Dir(), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process made it while we waited
	}
	progress("making the Debian root of the nodes (once, about a minute)")
	if err := build(ctx, dir, lock); err != nil {
		return "", err
	}
	return dir, nil
}

// build hands the lock to what it starts: if we are killed, the next build
// waits until the orphans have ended.
func build(ctx context.Context, dir string, lock *os.File) error {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return errors.New("debootstrap is missing: apt-get install debootstrap")
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	bootstrap := exec.CommandContext(ctx, "debootstrap", "--variant=minbase",
		"--include="+strings.Join(packages, ","), suite, tmp)
	bootstrap.ExtraFiles = []*os.File{lock}
	if out, err := bootstrap.CombinedOutput(); err != nil {
		tail, _ := os.ReadFile(filepath.Join(tmp, "debootstrap", "debootstrap.log"))
		return fmt.Errorf("debootstrap: %w\n%s\n%s", err, lastLines(string(out), 15), lastLines(string(tail), 15))
	}
	if err := os.MkdirAll(filepath.Join(tmp, "usr/local/lib/lab"), 0o755); err != nil {
		return err
	}
	script := filepath.Join(tmp, "usr/local/lib/lab/prepare")
	if err := os.WriteFile(script, []byte(prepareScript), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "chroot", tmp, "/bin/sh", "-eu")
	cmd.Stdin = strings.NewReader(setupScript)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up the root: %w\n%s", err, out)
	}
	return os.Rename(tmp, dir)
}

// SSHKey is the private key that every node lets in as root; it was made
// inside the root, so it lives and dies with it.
func SSHKey() string { return filepath.Join(Path(), "root/.ssh/id_ed25519") }

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
