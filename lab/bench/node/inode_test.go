package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestInodeOfADiskWithoutPower: what is there has a number, and keeps it in an
// exchange; what is not there has none.
func TestInodeOfADiskWithoutPower(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	n := handle(dir, Spec{Name: "n1", DiskMB: 8})
	for _, path := range []string{"lib/rancher/k3s/server", "local/bin"} {
		if err := os.MkdirAll(filepath.Join(data, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"local/bin/k3s", "lib/rancher/k3s/.belay-put-back"} {
		if err := os.WriteFile(filepath.Join(data, path), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(n.disk(), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-d", data, n.image(), "8M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	seen := map[int]string{}
	for path, there := range map[string]bool{
		"/var/lib/rancher/k3s/server": true, "/var/lib/rancher/k3s/.belay-put-back": true, "/usr/local/bin/k3s": true,
		"/var/lib/rancher/k3s/none": false, "/usr/local/none": false,
	} {
		inode, err := n.Inode(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if (inode != 0) != there || seen[inode] != "" && there {
			t.Errorf("%s has inode %d, of %q", path, inode, seen[inode])
		}
		seen[inode] = path
	}
}
