package main

import (
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// restore makes a data directory of one member out of a snapshot, in K3s'
// words and order: etcd's own tool verifies the trailing hash, writes
// member/snap/db, then the WAL. What a kill in between leaves is real.
func restore(snapshotFile, dataDir, name, peerURL string) error {
	log, err := zap.NewProduction()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // stderr cannot be synced everywhere
	if err := os.MkdirAll(filepath.Dir(dataDir), 0o700); err != nil {
		return err
	}
	return snapshot.NewV3(log).Restore(snapshot.RestoreConfig{
		SnapshotPath:   snapshotFile,
		Name:           name,
		OutputDataDir:  dataDir,
		OutputWALDir:   filepath.Join(dataDir, "member", "wal"),
		PeerURLs:       []string{peerURL},
		InitialCluster: name + "=" + peerURL,
	})
}
