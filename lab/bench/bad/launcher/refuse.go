package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// refuseKey looks for a key at the start of a line, which is how config.yaml
// has all of its keys.
func refuseKey(key string) error {
	files := []string{configFile()}
	drops, err := filepath.Glob(configFile() + ".d/*.yaml")
	if err != nil {
		return err
	}
	for _, path := range append(files, drops...) {
		raw, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, line := range strings.Split(string(raw), "\n") {
			if strings.HasPrefix(line, key+":") || strings.HasPrefix(line, key+"+:") {
				return fmt.Errorf("level=fatal msg=\"Error: flag provided but not defined: -%s\"", key)
			}
		}
	}
	return nil
}

func configFile() string {
	if path := os.Getenv("K3S_CONFIG_FILE"); path != "" {
		return path
	}
	return "/etc/rancher/k3s/config.yaml"
}

// newerMark says that a newer release has served this datastore. It goes and
// comes with the datastore's directory.
func newerMark(argv []string) string {
	return filepath.Join(dataDir(argv), "server", "db", "lab-newer")
}

func markNewer(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o600)
}
