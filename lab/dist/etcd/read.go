//go:build !etcd3.5

package main

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
)

// readKeys opens a member's database without its log.
func readKeys(log *zap.Logger, path, prefix string) (map[string][]byte, error) {
	config := backend.DefaultBackendConfig(log)
	config.Path, config.UnsafeNoFsync = path, true
	config.BatchInterval, config.BatchLimit = time.Hour, 100000
	be := backend.New(config)
	if be == nil {
		return nil, errors.New("failed to open database")
	}
	defer be.Close()
	if index, _ := schema.ReadConsistentIndex(be.ReadTx()); index == 0 {
		return nil, errors.New("failed to read consistent index")
	}
	store := mvcc.NewStore(log, be, &lease.FakeLessor{}, mvcc.StoreConfig{})
	defer store.Close()
	found, err := store.Range(context.Background(), []byte(prefix), []byte(prefix+"\xff"), mvcc.RangeOptions{})
	if err != nil {
		return nil, err
	}
	rows := map[string][]byte{}
	for _, kv := range found.KVs {
		rows[string(kv.Key)] = kv.Value
	}
	return rows, nil
}
