package server

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sirupsen/logrus"

	"belay.test/dist/components"
	"belay.test/dist/face/bootstrap"
)

// datastore settles who we are and brings the datastore up, before anything
// else may use it. An empty server/db makes a new, empty cluster without a
// word, as on K3s.
func (v *server) datastore(ctx context.Context) error {
	var err error
	if v.password, err = v.ChoosePassword(v.values.Text("token", "")); err != nil {
		return err
	}
	if err := os.Chdir(v.Server()); err != nil { // kine's socket is relative
		return err
	}
	if v.member, err = chooseEtcd(v.settings); err != nil {
		return err
	}
	switch {
	case v.member == nil:
		return v.kineDatastore(ctx)
	case v.values.Bool("cluster-reset"):
		return v.clusterReset(ctx)
	default:
		return v.etcdDatastore(ctx)
	}
}

func (v *server) kineDatastore(ctx context.Context) error {
	var err error
	if v.kine, err = v.set.Start("kine", components.KineArgs(v.release.Etcd)...); err != nil {
		return err
	}
	store, err := components.DialKine(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	logrus.Info("Reconciling bootstrap data between datastore and disk")
	files := v.BootstrapFiles()
	if _, err := bootstrap.Reconcile(ctx, store, v.password, files); err != nil {
		return err
	}
	if err := v.issue(v.password); err != nil {
		return err
	}
	if err := bootstrap.Save(ctx, store, v.password, files); err != nil {
		return err
	}
	return v.listen()
}

// etcdDatastore starts the member; the listener is up before it, as on K3s,
// whose 6443 answers while etcd never does.
func (v *server) etcdDatastore(ctx context.Context) error {
	m := v.member
	there, err := m.initialized()
	if err != nil {
		return err
	}
	files := v.BootstrapFiles()
	if there {
		logrus.Info("Managed etcd cluster bootstrap already complete and initialized")
		if err := reconcileWithDisk(ctx, m.dir(), v.password, files); err != nil {
			return err
		}
	} else {
		logrus.Info("Managed etcd cluster initializing")
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
	if there {
		logrus.Info("Starting etcd for existing cluster member")
		if err := os.Chmod(m.dir(), 0o700); err != nil {
			return err
		}
	} else {
		logrus.Info("Starting etcd for new cluster, cluster-reset=false")
	}
	if err := v.runMember(memberStart{fresh: !there}); err != nil {
		return err
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	if !there {
		if err := v.migrate(ctx); err != nil {
			return err
		}
	}
	if dir := v.Server("db", "snapshots"); m.snapshotDir() == dir && !v.values.Bool("etcd-disable-snapshots") {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return bootstrap.Save(ctx, m.store, v.password, files)
}

// reconcileWithDisk compares with the bootstrap row of a copy of the database,
// since etcd's own certificates may have to come out of it.
func reconcileWithDisk(ctx context.Context, dir, password string, files map[string]string) error {
	logrus.Info("Reconciling bootstrap data between datastore and disk")
	found, err := bootstrap.Reconcile(ctx, components.EtcdCopy{DataDir: dir}, password, files)
	if err == nil && !found {
		err = bootstrap.ErrNoRow
	}
	return err
}

// migrate moves what SQLite held to a new etcd: one way, and the old file is
// renamed.
func (v *server) migrate(ctx context.Context) error {
	old := v.Server("db", "state.db")
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	logrus.Info("Migrating content from sqlite to etcd")
	rows, err := components.SQLiteRows(ctx, v.release.Etcd, "/registry/")
	if err != nil {
		return err
	}
	for key, value := range rows {
		logrus.Infof("Migrating etcd key %s", key)
		if err := v.member.store.Put(ctx, key, value); err != nil {
			return err
		}
	}
	return os.Rename(old, old+".migrated")
}
