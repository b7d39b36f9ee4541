package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"belay.test/dist/components"
	"belay.test/dist/face/bootstrap"
	"belay.test/dist/face/snapshots"
)

// errReset is how a cluster reset that worked ends; the exit code is 0.
var errReset = errors.New("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
	"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")

// clusterReset is K3s' in K3s' order, hazards included: with a restore path
// db/etcd is renamed first and the snapshot extracted after. A plain start in
// between finds no member and makes an empty cluster; one after half an
// extraction finds a member that never serves.
func (v *server) clusterReset(ctx context.Context) error {
	m := v.member
	restore := v.values.Text("cluster-reset-restore-path", "")
	if err := m.mayReset(restore); err != nil {
		return err
	}
	if err := v.issue(v.password); err != nil {
		return err
	}
	if err := m.setName(false); err != nil {
		return err
	}
	if err := m.dial(ctx); err != nil {
		return err
	}
	if err := v.listen(); err != nil {
		return err
	}
	if restore != "" {
		if err := m.restore(ctx, restore); err != nil {
			return fmt.Errorf("start managed database: %w", err)
		}
	}
	if err := m.setName(true); err != nil {
		return err
	}
	if err := os.WriteFile(m.resetFlag(), nil, 0o600); err != nil {
		return err
	}
	logrus.Info("Starting etcd for new cluster, cluster-reset=true")
	if err := v.runMember(memberStart{reset: true}); err != nil {
		return err
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	if err := m.store.Put(ctx, "k3s/apiaddresses", nil); err != nil {
		return err
	}
	if err := v.recoverIdentity(ctx); err != nil {
		return err
	}
	return errReset
}

// mayReset refuses a second reset without a restart, unless it restores, and a
// restore that has no token to open the snapshot's bootstrap row with.
func (m *member) mayReset(restore string) error {
	_, err := os.Stat(m.resetFlag())
	if err == nil && restore == "" {
		return fmt.Errorf("start managed database: Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally. "+
			"If you need to perform another cluster reset, you must first manually delete the file at %s", m.resetFlag())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// restore renames, then extracts: two steps, and nothing says that a start in
// between is in between.
func (m *member) restore(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("etcd: snapshot path does not exist: %s", path)
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("etcd: snapshot path must be a file, not a directory: %s", path)
	}
	if strings.HasSuffix(path, snapshots.Compressed) {
		// The bug of 1.34.6–.11, 1.35.3–.8 and 1.36.0–.4 (k3s-facts §2.5),
		// within which all of the bench's releases lie.
		joined := filepath.Join(m.snapshotDir(), path)
		logrus.Infof("Decompressing etcd snapshot file: %s", path)
		return fmt.Errorf("open %s: no such file or directory", joined)
	}
	old := fmt.Sprintf("%s-old-%d", m.dir(), time.Now().Unix())
	if err := os.Rename(m.dir(), old); err != nil {
		return err
	}
	logrus.Infof("Pre-restore etcd database moved to %s", old)
	return components.RestoreEtcd(ctx, path, m.dir(), m.name, m.peerURL())
}

// recoverIdentity puts certificates and keys of the datastore on disk, whatever
// is newer; the ones that were there are kept as tls-<time>.
func (v *server) recoverIdentity(ctx context.Context) error {
	kept := v.Server(fmt.Sprintf("tls-%d", time.Now().Unix()))
	logrus.Infof("Cluster reset: backing up certificates directory to %s", kept)
	if err := copyTree(v.TLS(), kept); err != nil {
		return fmt.Errorf("cluster reset failed to back up server TLS dir: %w", err)
	}
	logrus.Warn("Updating bootstrap data on disk from datastore")
	if err := bootstrap.Recover(ctx, v.member.store, v.password, v.BootstrapFiles()); err != nil {
		return err
	}
	return v.issue(v.password)
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		if entry.IsDir() {
			return os.MkdirAll(target, info.Mode().Perm())
		}
		return copyFile(path, target, info.Mode().Perm())
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
