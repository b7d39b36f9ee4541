package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Put writes a file in the node: complete or not at all, parents included.
// It goes through a process in the node, because only there do links and
// mounts mean what the node thinks they mean.
func (n *Node) Put(ctx context.Context, path string, mode fs.FileMode, content io.Reader) error {
	const script = `set -e; mkdir -p "$(dirname "$1")"; cat >"$1.lab-new"; chmod "$2" "$1.lab-new"; mv -f "$1.lab-new" "$1"`
	res, err := n.ExecInput(ctx, content, "sh", "-c", script, "put", path, fmt.Sprintf("%o", mode.Perm()))
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return fmt.Errorf("put %s on %s: %s", path, n.Name, strings.TrimSpace(res.Stderr))
	}
	return nil
}

// PutFile is Put with a file of the host.
func (n *Node) PutFile(ctx context.Context, from, path string, mode fs.FileMode) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return n.Put(ctx, path, mode, f)
}

// PutString is Put with a text.
func (n *Node) PutString(ctx context.Context, path string, mode fs.FileMode, text string) error {
	return n.Put(ctx, path, mode, strings.NewReader(text))
}

// Get reads a file of the node.
func (n *Node) Get(ctx context.Context, path string) ([]byte, error) {
	res, err := n.Exec(ctx, "cat", "--", path)
	if err != nil {
		return nil, err
	}
	if res.Code != 0 {
		return nil, fmt.Errorf("get %s from %s: %s", path, n.Name, strings.TrimSpace(res.Stderr))
	}
	return bytes.Clone([]byte(res.Stdout)), nil
}

// InstallBelay places the program under test where its packages would.
func (n *Node) InstallBelay(ctx context.Context, belay, helper string) error {
	if err := n.PutFile(ctx, belay, "/usr/local/bin/belay", 0o755); err != nil {
		return err
	}
	return n.PutFile(ctx, helper, "/usr/local/lib/belay/belay-helper", 0o755)
}
