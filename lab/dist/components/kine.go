package components

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"belay.test/dist/release"
)

// KineSocket is relative to server/, as on K3s, because the absolute path of a
// deep data directory would not fit into a socket address (108 bytes).
const KineSocket = "unix://kine.sock"

// KineArgs are what kine is started with.
func KineArgs(etcdVersion string) []string { return []string{"--emulated-etcd-version=" + etcdVersion} }

// SQLiteRows are the keys below a prefix of db/state.db of the working
// directory, for the way from SQLite to etcd.
func SQLiteRows(ctx context.Context, etcdVersion, prefix string) (rows map[string][]byte, failed error) {
	program, err := release.Program("kine")
	if err != nil {
		return nil, err
	}
	kine := exec.Command(program, KineArgs(etcdVersion)...)
	runtime.LockOSThread() // the signal comes when the thread that forked ends
	defer runtime.UnlockOSThread()
	kine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := kine.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = kine.Process.Signal(syscall.SIGTERM)
		if err := kine.Wait(); failed == nil {
			failed = err
		}
	}()
	store, err := DialKine(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return store.Rows(ctx, prefix)
}

// KineStore reads and writes rows through a running kine, which speaks as much
// of etcd as Kubernetes needs.
type KineStore struct{ client *clientv3.Client }

// DialKine waits until kine answers at its socket.
func DialKine(ctx context.Context) (*KineStore, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{KineSocket}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	store := &KineStore{client}
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := store.Rows(try, "/bootstrap/")
		cancel()
		if err == nil {
			return store, nil
		}
		select {
		case <-ctx.Done():
			client.Close()
			return nil, fmt.Errorf("kine: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Rows lists keys and values below a prefix.
func (s *KineStore) Rows(ctx context.Context, prefix string) (map[string][]byte, error) {
	return rowsBelow(ctx, s.client, prefix)
}

// Put creates or replaces a row, in the only two forms that kine knows.
func (s *KineStore) Put(ctx context.Context, key string, value []byte) error {
	current, err := s.client.Get(ctx, key)
	if err != nil {
		return err
	}
	var revision int64
	if len(current.Kvs) == 1 {
		revision = current.Kvs[0].ModRevision
	}
	put := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).Then(clientv3.OpPut(key, string(value)))
	if revision != 0 {
		put = put.Else(clientv3.OpGet(key))
	}
	done, err := put.Commit()
	if err != nil {
		return err
	}
	if !done.Succeeded {
		return fmt.Errorf("%s was written by somebody else", key)
	}
	return nil
}

// Close drops the connection.
func (s *KineStore) Close() error { return s.client.Close() }
