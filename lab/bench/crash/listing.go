package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// listing is everything on the node that a run touches, without what differs from run to run.
func (g *game) listing() []string {
	var names []string
	ids := g.runIDs()
	if g.first != "" {
		ids = append(ids, g.first)
	}
	for _, top := range []string{"/usr/local", "/etc", "/var/lib/rancher", "/var/lib/belay/node"} {
		root := g.w.Path(top)
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			rel, _ := filepath.Rel(root, path)
			name := top + "/" + rel
			for _, id := range ids {
				name = strings.ReplaceAll(name, id, map[bool]string{true: "FIRST", false: "RUN"}[id == g.first])
			}
			if what := content(path, d, name); what != "" {
				for _, id := range ids {
					what = strings.ReplaceAll(what, id, "RUN")
				}
				names = append(names, name+what)
			}
			return nil
		})
	}
	sort.Strings(names)
	return names
}

var varies = regexp.MustCompile(`/db/state\.db|journal$|/fence$|/lock$|\.json$|-shm$|-wal$|\.lock$`)

func content(path string, d fs.DirEntry, name string) string {
	switch {
	case d.IsDir():
		return "/"
	case d.Type()&fs.ModeSymlink != 0:
		to, _ := os.Readlink(path)
		return " -> " + to
	case strings.HasSuffix(name, "-shm"), strings.HasSuffix(name, "-wal"):
		return ""
	case varies.MatchString(name), strings.Contains(name, "/backups/"):
		return ""
	}
	info, err := d.Info()
	if err != nil {
		return " unreadable"
	}
	// What a release carries is one file, with a name in every world.
	var shared inode
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		shared = inode{st.Dev, st.Ino, st.Size, st.Mtim}
		if known, ok := sums.Load(shared); ok {
			return known.(string)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return " unreadable"
	}
	is := " " + sum(text)[:12]
	if shared != (inode{}) {
		sums.Store(shared, is)
	}
	return is
}

type inode struct {
	dev, ino uint64
	size     int64
	changed  syscall.Timespec
}

// sums are those of files with several names, by inode.
var sums sync.Map

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

func clip(list []string) []string {
	if len(list) > 8 {
		return append(list[:8:8], fmt.Sprintf("and %d more", len(list)-8))
	}
	return list
}

// Differs says how a listing differs from the undisturbed one.
func Differs(is, was []string) []string {
	count := map[string]int{}
	for _, l := range is {
		count[l]++
	}
	for _, l := range was {
		count[l]--
	}
	var out []string
	for l, n := range count {
		switch {
		case n > 0:
			out = append(out, "+"+l)
		case n < 0:
			out = append(out, "-"+l)
		}
	}
	sort.Strings(out)
	return out
}
