package components

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// EtcdEndpoint is where a server's own member serves clients.
const EtcdEndpoint = "https://127.0.0.1:2379"

// statusTimeout is K3s' for one question to its member.
const statusTimeout = 10 * time.Second

// EtcdStore speaks with the running member as etcd-client.
type EtcdStore struct {
	config clientv3.Config
	client *clientv3.Client
}

// DialEtcd prepares a client; it connects when it is used.
func DialEtcd(ctx context.Context, ca, cert, key string) (*EtcdStore, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s: no certificate", ca)
	}
	config := clientv3.Config{
		Context: ctx, Endpoints: []string{EtcdEndpoint}, Logger: zap.NewNop(), PermitWithoutStream: true,
		DialTimeout: 2 * time.Second, DialKeepAliveTime: 30 * time.Second, DialKeepAliveTimeout: 10 * time.Second,
		TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}},
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, err
	}
	return &EtcdStore{config, client}, nil
}

// Ready says whether the member serves: a voter with a leader, defragmented,
// without alarms, and registered under this name and peer URL. A full
// database's alarm is cleared, any other is an error, as on K3s.
func (s *EtcdStore) Ready(ctx context.Context, name, peerURL string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	status, err := s.client.Status(ctx, EtcdEndpoint)
	switch {
	case err != nil:
		return fmt.Errorf("failed to get etcd status: %w", err)
	case status.IsLearner:
		return errors.New("this server has not yet been promoted from learner to voting member")
	case status.Leader == 0:
		return errors.New("etcdserver: no leader")
	}
	logrus.Infof("Connected to etcd v%s - datastore using %d of %d bytes", status.Version, status.DbSizeInUse, status.DbSize)
	logrus.Info("Defragmenting etcd database")
	if _, err := s.client.Defragment(ctx, EtcdEndpoint); err != nil {
		return fmt.Errorf("failed to defragment etcd database: %w", err)
	}
	if err := s.clearAlarms(ctx, status.Header.MemberId); err != nil {
		return fmt.Errorf("failed to disarm etcd alarms: %w", err)
	}
	members, err := s.client.MemberList(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, m := range members.Members {
		for _, url := range m.PeerURLs {
			if url == peerURL && m.Name == name {
				return nil
			}
			known = append(known, m.Name+"="+url)
		}
	}
	return fmt.Errorf("this server is a not a member of the etcd cluster. Found [%s], expect: %s=%s", strings.Join(known, ","), name, peerURL)
}

func (s *EtcdStore) clearAlarms(ctx context.Context, member uint64) error {
	list, err := s.client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("etcd alarm list failed: %w", err)
	}
	for _, alarm := range list.Alarms {
		if alarm.MemberID != member {
			continue
		}
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE {
			return fmt.Errorf("%s alarm must be disarmed manually", alarm.Alarm)
		}
		if _, err := s.client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(alarm)); err != nil {
			return fmt.Errorf("%s disarm failed: %w", alarm.Alarm, err)
		}
		logrus.Infof("%s disarmed successfully", alarm.Alarm)
	}
	return nil
}

// Readdress gives a lone member this peer URL: a restored or reset one may
// carry another machine's.
func (s *EtcdStore) Readdress(ctx context.Context, peerURL string) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	members, err := s.client.MemberList(ctx)
	if err != nil {
		return err
	}
	if len(members.Members) != 1 {
		return errors.New("failed to update peer url: etcd still has more than one member")
	}
	_, err = s.client.MemberUpdate(ctx, members.Members[0].ID, []string{peerURL})
	return err
}

// Members is what /db/info tells.
func (s *EtcdStore) Members(ctx context.Context) ([]*etcdserverpb.Member, error) {
	members, err := s.client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	return members.Members, nil
}

// Rows lists keys and values below a prefix.
func (s *EtcdStore) Rows(ctx context.Context, prefix string) (map[string][]byte, error) {
	return rowsBelow(ctx, s.client, prefix)
}

func rowsBelow(ctx context.Context, client *clientv3.Client, prefix string) (map[string][]byte, error) {
	found, err := client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	rows := map[string][]byte{}
	for _, kv := range found.Kvs {
		rows[string(kv.Key)] = kv.Value
	}
	return rows, nil
}

// Put creates or replaces a key.
func (s *EtcdStore) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.client.Put(ctx, key, string(value))
	return err
}

// Snapshot writes the member's database and its hash to a file, 0600, that
// appears under its name only when it is whole.
func (s *EtcdStore) Snapshot(ctx context.Context, path string) error {
	return saveSnapshot(ctx, s.config, path)
}

// Close drops the connection.
func (s *EtcdStore) Close() error { return s.client.Close() }
