package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"belay.test/dist/components"
	"belay.test/dist/face/identity"
)

// member is this server's embedded etcd (K3s' managed database): its name, its
// files below db/etcd and a client of it.
type member struct {
	*settings
	name  string
	store *components.EtcdStore
}

// choose tells whether this start is one with etcd: a write-ahead log is
// there, or --cluster-init asks for one. Without either it is kine, even
// beside a half-restored db/etcd: K3s looks at nothing else.
func chooseEtcd(s *settings) (*member, error) {
	m := &member{settings: s}
	there, err := m.initialized()
	if err != nil || !there && !s.values.Bool("cluster-init") && !s.values.Bool("cluster-reset") {
		return nil, err
	}
	return m, nil
}

func (m *member) initialized() (bool, error) {
	info, err := os.Stat(m.dir("member", "wal"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return false, fmt.Errorf("invalid state for wal directory %s: %w", m.dir("member", "wal"), err)
	}
	return true, nil
}

func (m *member) dir(parts ...string) string {
	return m.Server(append([]string{"db", "etcd"}, parts...)...)
}

func (m *member) resetFlag() string { return m.Server("db", "reset-flag") }

func (m *member) peerURL() string { return "https://" + net.JoinHostPort(m.NodeIP, "2380") }

// setName reads db/etcd/name or makes one of node name and eight hex digits.
func (m *member) setName(anew bool) error {
	raw, err := os.ReadFile(m.dir("name"))
	if err == nil && !anew {
		m.name = string(raw)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	suffix, err := identity.RandomHex(4)
	if err != nil {
		return err
	}
	m.name = m.NodeName + "-" + suffix
	if err := os.MkdirAll(m.dir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(m.dir("name"), []byte(m.name), 0o600)
}

// dial makes the client; the certificates have to be there.
func (m *member) dial(ctx context.Context) error {
	var err error
	m.store, err = components.DialEtcd(ctx, m.TLS("etcd", "server-ca.crt"), m.TLS("etcd", "client.crt"), m.TLS("etcd", "client.key"))
	return err
}

// start of a member.
type memberStart struct {
	fresh bool // a new cluster of one: initial-cluster says so
	reset bool // force-new-cluster, on loopback only
}

// run writes db/etcd/config and starts the child.
func (v *server) runMember(how memberStart) error {
	m := v.member
	if err := m.configure(how); err != nil {
		return err
	}
	var err error
	v.etcd, err = v.set.Start("etcd", components.EtcdArgs(m.dir("config"), v.release.Etcd)...)
	return err
}

// await polls until the member serves, for ever: K3s has no limit here, and
// its unit has none either.
func (m *member) await(ctx context.Context) error {
	for said := (time.Time{}); ; {
		err := m.store.Ready(ctx, m.name, m.peerURL())
		if err == nil {
			logrus.Info("Connection to etcd is ready")
			return nil
		}
		// K3s asks and says this every 5 s.
		if time.Since(said) >= 5*time.Second {
			logrus.Infof("Failed to test etcd connection: %v", err)
			said = time.Now()
		}
		if strings.Contains(err.Error(), "not a member of the etcd cluster") && m.values.Bool("cluster-reset") {
			if err := m.store.Readdress(ctx, m.peerURL()); err != nil {
				logrus.Warnf("%v", err)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// etcdArg gives a user's etcd-arg the type that etcd's configuration wants.
func etcdArg(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if b, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
		return b
	}
	return text
}
