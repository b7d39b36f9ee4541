// The outer k3s: it carries the real one, lays it out under data/<hash> and
// becomes it. What it does and in which order is K3s' (k3s-facts §2.2), because
// Belay's staging and way back depend on it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"belay.test/dist/face/options"
	"belay.test/dist/face/payload"
)

// tools are the names under which k3s is also called, by link or as subcommand.
var tools = []string{"kubectl", "crictl", "ctr"}

var commands = append([]string{"server", "agent", "etcd-snapshot", "secrets-encrypt", "certificate", "token", "check-config", "completion"}, tools...)

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "k3s: %v\n", err)
		os.Exit(1)
	}
}

func run(argv []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	archive, err := payload.Open(self)
	if err != nil {
		return err
	}
	defer archive.Close()
	if name := filepath.Base(argv[0]); slices.Contains(tools, name) {
		return become(archive, name, argv[1:], append([]string{name}, argv[1:]...))
	}
	if len(argv) < 2 || argv[1] == "help" || argv[1] == "-h" || argv[1] == "--help" {
		fmt.Printf("NAME:\n   k3s - Kubernetes, but small and simple\n\nCOMMANDS:\n")
		for _, c := range commands {
			fmt.Printf("   %s\n", c)
		}
		return nil
	}
	switch name := argv[1]; {
	case name == "--version" || name == "-v":
		fmt.Print(archive.Manifest.Release.Version(archive.Manifest.GoVersion))
		return nil
	case slices.Contains(tools, name):
		return become(archive, name, argv[2:], append([]string{name}, argv[2:]...))
	case slices.Contains(commands, name):
		return become(archive, "k3s-"+name, argv[1:], argv)
	default:
		return fmt.Errorf("No help topic for '%s'", name)
	}
}

// become replaces this process: the executable is data/<hash>/bin/k3s by way of
// the link called file, argv stays what the caller sees (captures/…/procenv.txt).
func become(archive *payload.Archive, file string, args, argv []string) error {
	dataDir, err := options.DataDir(args)
	if err != nil {
		return err
	}
	dir, err := archive.Extract(dataDir, options.DefaultDataDir())
	if err != nil {
		return fmt.Errorf("extracting data: %w", err)
	}
	bin := filepath.Join(dir, "bin")
	path := fmt.Sprintf("%s:%s:%s:%s", filepath.Join(dataDir, "data", "cni"), bin, os.Getenv("PATH"), filepath.Join(bin, "aux"))
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	return syscall.Exec(filepath.Join(bin, file), argv, os.Environ())
}
