// Package cache names the places outside the clone where the bench keeps what
// is expensive to make. A clone can be thrown away; these stay warm.
package cache

import (
	"os"
	"path/filepath"
)

// Dir is the root of everything the bench keeps: $BELAY_CACHE, else
// ~/.cache/belay. It must lie on a file system that can be the upper layer of
// an overlay (ext4, xfs, btrfs), not itself on an overlay.
func Dir() string {
	if d := os.Getenv("BELAY_CACHE"); d != "" {
		return d
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, ".cache", "belay")
}

// Labs holds one folder per lab, and in it one per node. What is listed here
// is what `down` takes away, so it is written before anything is made.
func Labs() string { return filepath.Join(Dir(), "nodes") }

// Launchers holds the built launchers of bad releases.
func Launchers() string { return filepath.Join(Dir(), "launchers") }

// Releases is the directory with one folder per release tag. Setting
// BELAY_LAB_RELEASES makes the same tests run on other releases, real ones for
// example.
func Releases() string {
	if d := os.Getenv("BELAY_LAB_RELEASES"); d != "" {
		return d
	}
	return filepath.Join(Dir(), "releases")
}
