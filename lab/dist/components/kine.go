// Package components are the processes of a server, each upstream's own code:
// kine, etcd, kube-apiserver, kube-controller-manager, kube-scheduler, the hollow
// kubelet and kubectl.
package components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/k3s-io/kine/pkg/client"
	_ "github.com/k3s-io/kine/pkg/drivers/sqlite" // registers the default driver
	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/sirupsen/logrus"
)

// KineSocket is relative to server/, as on K3s, because the absolute path of a
// deep data directory would not fit into a socket address (108 bytes).
const KineSocket = "unix://kine.sock"

// Kine serves db/state.db of the working directory, its own default, until
// SIGTERM. Numbers are those of kine's CLI; it refuses zero values.
func Kine(etcdVersion string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var wg sync.WaitGroup
	if err := listenKine(ctx, &wg, etcdVersion); err != nil {
		logrus.Errorf("kine: %v", err)
		return 1
	}
	<-ctx.Done()
	wg.Wait()
	if err := os.Remove("kine.sock"); err != nil && !os.IsNotExist(err) {
		logrus.Warnf("kine: %v", err)
	}
	return 0
}

func listenKine(ctx context.Context, wg *sync.WaitGroup, etcdVersion string) error {
	_, err := endpoint.Listen(ctx, endpoint.Config{
		WaitGroup:             wg,
		Listener:              KineSocket,
		NotifyInterval:        5 * time.Second,
		EmulatedETCDVersion:   etcdVersion,
		CompactInterval:       5 * time.Minute,
		CompactIntervalJitter: 0,
		CompactTimeout:        5 * time.Second,
		CompactMinRetain:      1000,
		CompactBatchSize:      1000,
		PollBatchSize:         500,
	})
	return err
}

// SQLiteRows are the keys below a prefix of db/state.db of the working
// directory, for the way from SQLite to etcd.
func SQLiteRows(ctx context.Context, etcdVersion, prefix string) (map[string][]byte, error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if err := listenKine(ctx, &wg, etcdVersion); err != nil {
		return nil, err
	}
	store, err := DialKine(ctx, "kine.sock")
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return store.Rows(ctx, prefix)
}

// KineStore reads and writes rows through a running kine.
type KineStore struct{ c client.Client }

// DialKine waits until kine answers.
func DialKine(ctx context.Context, socket string) (*KineStore, error) {
	for {
		c, err := client.New(endpoint.ETCDConfig{Endpoints: []string{"unix://" + socket}})
		if err == nil {
			try, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err = c.List(try, "/bootstrap/", 0)
			cancel()
			if err == nil {
				return &KineStore{c}, nil
			}
			c.Close()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("kine: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Rows lists keys and values below a prefix.
func (s *KineStore) Rows(ctx context.Context, prefix string) (map[string][]byte, error) {
	values, err := s.c.List(ctx, prefix, 0)
	if err != nil {
		return nil, err
	}
	rows := map[string][]byte{}
	for _, v := range values {
		rows[string(v.Key)] = v.Data
	}
	return rows, nil
}

// Put creates or replaces a row.
func (s *KineStore) Put(ctx context.Context, key string, value []byte) error {
	current, err := s.c.Get(ctx, key)
	if errors.Is(err, client.ErrNotFound) {
		return s.c.Create(ctx, key, value)
	}
	if err != nil {
		return err
	}
	return s.c.Update(ctx, key, current.Modified, value)
}

// Close drops the connection.
func (s *KineStore) Close() error { return s.c.Close() }
