// Package snapshots keeps etcd's snapshots on disk under K3s' names: files
// <name>-<node>-<unix time> in db/snapshots, what is known beside them in
// db/.metadata (k3s-facts §2.5).
package snapshots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Compressed is the suffix of a snapshot in a zip archive.
const Compressed = ".zip"

// Dir is a directory of snapshots of one node.
type Dir struct {
	Path string
	Node string
}

// File is one snapshot.
type File struct {
	Name    string
	Size    int64
	Created time.Time
}

// Location is how K3s names the place.
func (d Dir) Location(f File) string { return "file://" + filepath.Join(d.Path, f.Name) }

// Name is that of a snapshot taken now.
func (d Dir) Name(base string, now time.Time) string {
	return fmt.Sprintf("%s-%s-%d", base, d.Node, now.Round(time.Second).Unix())
}

func (d Dir) metadata(name string) string {
	return filepath.Join(filepath.Dir(d.Path), ".metadata", name)
}

// List is every snapshot, oldest first. What is still being written, under
// .part, is none.
func (d Dir) List() ([]File, error) {
	entries, err := os.ReadDir(d.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || entry.IsDir() || strings.HasSuffix(entry.Name(), ".part") {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, File{entry.Name(), info.Size(), created(entry.Name(), info)})
	}
	sort.SliceStable(files, func(i, j int) bool { return files[i].Created.Before(files[j].Created) })
	return files, nil
}

// created is the time in the name, else the file's.
func created(name string, info fs.FileInfo) time.Time {
	base := strings.TrimSuffix(name, Compressed)
	if unix, err := strconv.ParseInt(base[strings.LastIndexByte(base, '-')+1:], 10, 64); err == nil {
		return time.Unix(unix, 0).UTC()
	}
	return info.ModTime().UTC()
}

// Prune removes all but the newest of those whose names begin with prefix: by
// prefix and nothing else, which is why a name of one's own is safe from the
// server's schedule. Less than one keeps everything.
func (d Dir) Prune(prefix string, keep int) ([]string, error) {
	if keep < 1 {
		return nil, nil
	}
	all, err := d.List()
	if err != nil {
		return nil, err
	}
	var mine []File
	for _, f := range all {
		if strings.HasPrefix(f.Name, prefix) {
			mine = append(mine, f)
		}
	}
	if len(mine) <= keep {
		return nil, nil
	}
	var gone []string
	for _, f := range mine[:len(mine)-keep] {
		if err := d.remove(f.Name); err != nil {
			return gone, err
		}
		gone = append(gone, f.Name)
	}
	return gone, nil
}

// Delete removes those of the names that exist and tells which.
func (d Dir) Delete(names []string) ([]string, error) {
	var gone []string
	for _, name := range names {
		if filepath.Base(name) != name {
			continue
		}
		if _, err := os.Stat(filepath.Join(d.Path, name)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := d.remove(name); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	return gone, nil
}

func (d Dir) remove(name string) error {
	if err := os.Remove(filepath.Join(d.Path, name)); err != nil {
		return err
	}
	if err := os.Remove(d.metadata(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Describe stores the extra metadata of a snapshot; none leaves no file.
func (d Dir) Describe(name string, metadata map[string]string) error {
	if len(metadata) == 0 {
		return nil
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.metadata(name)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(d.metadata(name), raw, 0o700)
}
