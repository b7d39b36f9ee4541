package options

import (
	"os"
	"path/filepath"
	"strings"
)

// SystemDataDir is root's default data directory.
const SystemDataDir = "/var/lib/rancher/k3s"

// DefaultDataDir is the directory when nobody names one.
func DefaultDataDir() string {
	if home := os.Getenv("HOME"); os.Getuid() != 0 && home != "" {
		return filepath.Join(home, ".rancher", "k3s")
	}
	return SystemDataDir
}

// DataDir finds the data directory before any flag is parsed, for every
// subcommand: --data-dir or -d, K3S_DATA_DIR, data-dir in the files.
func DataDir(args []string) (string, error) {
	dir := os.Getenv("K3S_DATA_DIR")
	config := os.Getenv("K3S_CONFIG_FILE")
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		// A single letter means something else to kubectl and its like.
		own := i > 0 && (args[0] == "server" || args[0] == "agent")
		switch {
		case name == "--data-dir" || (own && name == "-d"):
			dir = value
		case name == "--config" || (own && name == "-c"):
			config = value
		}
	}
	if dir == "" {
		if config == "" {
			config = DefaultConfig
		}
		settings, err := readFiles(config)
		if err != nil {
			return "", err
		}
		for _, s := range settings {
			if s.key == "data-dir" && len(s.values) > 0 {
				dir = s.values[len(s.values)-1]
			}
		}
	}
	if dir == "" {
		dir = DefaultDataDir()
	}
	return filepath.Abs(dir)
}
