package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// EtcdCopy reads a stopped member's keys from a copy of its database, beside
// it in etcd-tmp: what K3s does at each start to see its bootstrap row before
// etcd runs, and why a start needs as much room again (k3s-facts §2.4).
type EtcdCopy struct {
	dir   string
	be    backend.Backend
	store mvcc.KV
}

// OpenEtcdCopy copies and opens member/snap/db of dataDir.
func OpenEtcdCopy(dataDir string) (c *EtcdCopy, failed error) {
	c = &EtcdCopy{dir: dataDir + "-tmp"}
	path := filepath.Join(c.dir, "member", "snap", "db")
	if err := copyDatabase(filepath.Join(dataDir, "member", "snap", "db"), path); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	// etcd ends the process where a database makes no sense; here it is an error.
	log := zap.NewNop().WithOptions(zap.WithPanicHook(zapcore.WriteThenPanic), zap.WithFatalHook(zapcore.WriteThenPanic))
	defer func() {
		if p := recover(); p != nil {
			failed = fmt.Errorf("panic: %v", p)
		}
		if failed != nil {
			failed = errors.Join(failed, c.Close())
		}
	}()
	logrus.Infof("Opening etcd MVCC KV backend database at %s", path)
	config := backend.DefaultBackendConfig(log)
	config.Path, config.UnsafeNoFsync = path, true
	config.BatchInterval, config.BatchLimit = time.Hour, 100000
	if c.be = backend.New(config); c.be == nil {
		return nil, errors.New("failed to open database")
	}
	if index, _ := schema.ReadConsistentIndex(c.be.ReadTx()); index == 0 {
		return nil, errors.New("failed to read consistent index")
	}
	c.store = mvcc.NewStore(log, c.be, &lease.FakeLessor{}, mvcc.StoreConfig{})
	return c, nil
}

func copyDatabase(from, to string) error {
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(filepath.Dir(to)))); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Rows lists keys and values below a prefix.
func (c *EtcdCopy) Rows(ctx context.Context, prefix string) (map[string][]byte, error) {
	found, err := c.store.Range(ctx, []byte(prefix), []byte(prefix+"\xff"), mvcc.RangeOptions{})
	if err != nil {
		return nil, err
	}
	rows := map[string][]byte{}
	for _, kv := range found.KVs {
		rows[string(kv.Key)] = kv.Value
	}
	return rows, nil
}

// Put is refused: it is a copy.
func (c *EtcdCopy) Put(context.Context, string, []byte) error {
	return errors.New("a copy of a datastore is not written")
}

// Close removes the copy.
func (c *EtcdCopy) Close() error {
	var errs []error
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.be != nil {
		errs = append(errs, c.be.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
