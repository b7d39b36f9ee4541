package components

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"belay.test/dist/release"
)

// EtcdArgs start a member from its configuration file; it reports the version
// of the real release.
func EtcdArgs(configFile, reported string) []string { return []string{"serve", configFile, reported} }

// EtcdCopy reads a stopped member's keys from a copy of its database, beside
// it in etcd-tmp: what K3s does at each start to see its bootstrap row before
// etcd runs, and why a start needs as much room again (k3s-facts §2.4).
type EtcdCopy struct{ DataDir string }

// Rows lists keys and values below a prefix.
func (c EtcdCopy) Rows(ctx context.Context, prefix string) (map[string][]byte, error) {
	logrus.Infof("Opening etcd MVCC KV backend database at %s", filepath.Join(c.DataDir+"-tmp", "member", "snap", "db"))
	raw, err := etcd(ctx, "rows", c.DataDir, prefix)
	if err != nil {
		return nil, fmt.Errorf("failed to reconcile with local datastore: %w", err)
	}
	var rows map[string][]byte
	return rows, json.Unmarshal(raw, &rows)
}

// Put is refused: it is a copy.
func (c EtcdCopy) Put(context.Context, string, []byte) error {
	return errors.New("a copy of a datastore is not written")
}

// RestoreEtcd makes a data directory of one member out of a snapshot.
func RestoreEtcd(ctx context.Context, snapshotFile, dataDir, name, peerURL string) error {
	_, err := etcd(ctx, "restore", snapshotFile, dataDir, name, peerURL)
	return err
}

// etcd runs this release's etcd to its end. What it logs is the server's log.
func etcd(ctx context.Context, args ...string) ([]byte, error) {
	program, err := release.Program("etcd")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Args[0] = "etcd"
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bytes.TrimSpace(said.Bytes()), err)
	}
	_, err = os.Stderr.Write(said.Bytes())
	return out.Bytes(), err
}
