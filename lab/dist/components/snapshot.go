//go:build !v1.33

package components

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
)

func saveSnapshot(ctx context.Context, config clientv3.Config, path string) error {
	_, err := snapshot.SaveWithVersion(ctx, zap.NewNop(), config, path)
	return err
}
