use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belay_facts::{DatastoreKind, Digest};
use belay_journal::durable;
use belay_wire::{Fault, NodeTarget};
use rustix::fs::{FlockOperation, fcntl_lock, flock};

use crate::etcd::{self, Store, StoreError};
use crate::fault::{Attempt as _, refused};
use crate::sqlite::{Database, DatabaseError};
use crate::step::Step;
use crate::tree::copy_file;

/// What was attempted on a datastore, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum DatastoreError {
    #[error(transparent)]
    Sqlite(#[from] DatabaseError),
    #[error(transparent)]
    Etcd(#[from] StoreError),
    #[error("{path} could not be copied: {source}", path = .path.display())]
    Copy { path: PathBuf, source: std::io::Error },
    #[error("an external datastore is not on this node")]
    External,
}

/// K3s' embedded datastore, in one of its two forms: the only place that tells them apart.
#[derive(Debug)]
pub(crate) enum Datastore {
    Sqlite(Database),
    Etcd(Store),
}

use Datastore::{Etcd, Sqlite};

impl Datastore {
    /// Opens that of a `server` directory for reading: SQLite also beside a K3s that writes, etcd when it is stopped.
    pub(crate) fn of_server(server: &Path, kind: DatastoreKind) -> Result<Self, DatastoreError> {
        match kind {
            DatastoreKind::Sqlite => Ok(Sqlite(Database::read_only(&server.join("db/state.db"))?)),
            DatastoreKind::Etcd => Ok(Etcd(Store::of_server(server)?)),
            DatastoreKind::External => Err(DatastoreError::External),
        }
    }

    /// Opens a stored copy, alone, and proves that it is whole.
    pub(crate) fn stored(path: &Path, kind: DatastoreKind) -> Result<Self, DatastoreError> {
        if kind == DatastoreKind::Etcd {
            etcd::check_trailer(path)?;
        }
        Self::unproven(path, kind)
    }

    /// Opens a stored copy, alone, of which nothing is restored: its hash would be most of the time that reading takes.
    pub(crate) fn unproven(path: &Path, kind: DatastoreKind) -> Result<Self, DatastoreError> {
        match kind {
            DatastoreKind::Sqlite => Ok(Sqlite(Database::read_only(path)?)),
            DatastoreKind::Etcd => Ok(Etcd(Store::open(path)?)),
            DatastoreKind::External => Err(DatastoreError::External),
        }
    }

    /// Highest revision that was ever handed out.
    pub(crate) fn revision(&self) -> Result<u64, DatastoreError> {
        Ok(match self {
            Sqlite(database) => database.revision()?,
            Etcd(store) => store.revision()?,
        })
    }

    /// Up to which revision history was compacted away.
    pub(crate) fn compacted(&self) -> Result<u64, DatastoreError> {
        Ok(match self {
            Sqlite(database) => database.compacted()?,
            Etcd(store) => store.compacted()?,
        })
    }

    /// Number of live keys, without the datastore's own.
    pub(crate) fn keys(&self) -> Result<u64, DatastoreError> {
        Ok(match self {
            Sqlite(database) => database.keys()?,
            Etcd(store) => store.keys()?,
        })
    }

    /// Digest over all live keys and values in key order, each with its length before it.
    pub(crate) fn root(&self) -> Result<Digest, DatastoreError> {
        Ok(match self {
            Sqlite(database) => database.root()?,
            Etcd(store) => store.root()?,
        })
    }

    /// Calls `each` with every key that has left a trace, the revision of its last change, and whether it is live.
    pub(crate) fn latest(&self, each: impl FnMut(String, u64, bool)) -> Result<(), DatastoreError> {
        match self {
            Sqlite(database) => database.latest(each)?,
            Etcd(store) => store.latest(each)?,
        }
        Ok(())
    }

    /// Calls `each` with every live key and its value, in no order. Of etcd that of its database alone.
    pub(crate) fn each_live(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), DatastoreError> {
        match self {
            Sqlite(database) => database.each_newest(each)?,
            Etcd(store) => store.each_live(each)?,
        }
        Ok(())
    }

    /// The live value of one key.
    pub(crate) fn value(&self, key: &str) -> Result<Option<Vec<u8>>, DatastoreError> {
        Ok(match self {
            Sqlite(database) => database.value(key)?,
            Etcd(store) => store.value(key.as_bytes())?,
        })
    }

    /// False when some of what was written cannot be told.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Sqlite(_) => true,
            Etcd(store) => store.is_complete(),
        }
    }

    /// `ok`, or the first complaints; `None` when `within` was not enough.
    pub(crate) fn integrity_check(&self, within: Duration) -> Result<Option<String>, DatastoreError> {
        match self {
            Sqlite(database) => Ok(database.integrity_check(within)?),
            Etcd(store) => match store.check() {
                Ok(said) => Ok(Some(said)),
                Err(StoreError::Bolt(error @ etcd::BoltError::Damaged { .. })) => Ok(Some(error.to_string())),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// Makes the next revision of a stopped `server` directory follow `revision`. Does nothing when it is that high already.
pub(crate) fn raise_revision(server: &Path, kind: DatastoreKind, revision: u64) -> Result<(), DatastoreError> {
    match kind {
        DatastoreKind::Sqlite => Ok(Database::writable(&server.join("db/state.db"))?.raise_revision(revision)?),
        DatastoreKind::Etcd => Ok(etcd::raise_revision(server, revision)?),
        DatastoreKind::External => Err(DatastoreError::External),
    }
}

/// Says no when a stored copy cannot become the datastore of the server whose directory is `live`.
pub(crate) fn refuse_foreign(stored: &Path, live: &Path, kind: DatastoreKind) -> Result<(), DatastoreError> {
    match kind {
        DatastoreKind::Sqlite => Ok(()),
        DatastoreKind::Etcd => Ok(etcd::SoleMember::of(stored, live).map(|_| ())?),
        DatastoreKind::External => Err(DatastoreError::External),
    }
}

/// Makes the datastore of a new `server` directory, whose `db` is there and empty, from a stored copy.
pub(crate) fn make(stored: &Path, live: &Path, server: &Path, kind: DatastoreKind) -> Result<(), DatastoreError> {
    match kind {
        DatastoreKind::Sqlite => {
            let database = server.join("db/state.db");
            copy_file(stored, &database)
                .and_then(|()| File::open(&database)?.sync_all())
                .and_then(|()| durable::sync_parent(&database))
                .map_err(|source| DatastoreError::Copy { path: stored.into(), source })
        }
        DatastoreKind::Etcd => Ok(etcd::SoleMember::of(stored, live)?.write(server)?),
        DatastoreKind::External => Err(DatastoreError::External),
    }
}

/// Copies the running server's datastore to a new file, so that it is of one moment.
pub(crate) fn copy_online(step: &Step<'_>, to: &Path) -> Result<(), Fault> {
    let within = step.mutation.deadline.duration().saturating_sub(step.begun.elapsed());
    save_online(step.target(), &step.mutation.run, to, within)
}

/// The same of any node; `name` is part of what K3s calls its snapshot meanwhile.
pub(crate) fn save_online(target: &NodeTarget, name: &str, to: &Path, within: Duration) -> Result<(), Fault> {
    save(target.datastore, Path::new(&target.binary), Path::new(&target.data_dir), name, to, within)
}

/// The same without a plan that names the node.
pub(crate) fn save(
    kind: DatastoreKind,
    binary: &Path,
    data_dir: &Path,
    name: &str,
    to: &Path,
    within: Duration,
) -> Result<(), Fault> {
    match kind {
        DatastoreKind::Sqlite => Database::read_only(&data_dir.join("server/db/state.db"))
            .and_then(|database| database.copy_to(to, within))
            .attempt(|| "the datastore could not be backed up"),
        DatastoreKind::Etcd => etcd::save(binary, data_dir, name, to, within),
        DatastoreKind::External => Err(refused("an external datastore is not on this node")),
    }
}

/// Name of the stored copy within a backup.
pub(crate) fn stored_name(kind: DatastoreKind) -> &'static str {
    match kind {
        DatastoreKind::Etcd => "datastore/snapshot.db",
        DatastoreKind::Sqlite | DatastoreKind::External => "datastore/state.db",
    }
}

/// What is read again soon after a start, relative to `server`.
pub(crate) fn hot_file(kind: DatastoreKind) -> &'static str {
    match kind {
        DatastoreKind::Etcd => etcd::DATABASE,
        DatastoreKind::Sqlite | DatastoreKind::External => "db/state.db",
    }
}

/// Files that its owner has locked while it is open, and the lock it takes, relative to `server`.
pub(crate) fn locks(kind: DatastoreKind) -> Vec<(PathBuf, Lock)> {
    match kind {
        DatastoreKind::Sqlite => vec![("db/state.db".into(), Lock::Fcntl), ("db/state.db-shm".into(), Lock::Fcntl)],
        DatastoreKind::Etcd => vec![(etcd::DATABASE.into(), Lock::Flock)],
        DatastoreKind::External => Vec::new(),
    }
}

/// How a datastore keeps others out.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    /// SQLite's, of byte ranges.
    Fcntl,
    /// bbolt's, of the whole file.
    Flock,
}

impl Lock {
    /// Takes it for as long as `file` is open.
    pub(crate) fn take(self, file: &File) -> rustix::io::Result<()> {
        match self {
            Self::Fcntl => fcntl_lock(file, FlockOperation::NonBlockingLockExclusive),
            Self::Flock => flock(file, FlockOperation::NonBlockingLockExclusive),
        }
    }
}

/// What this build can change and put back.
pub(crate) fn refuse_unknown(server: &Path, kind: DatastoreKind) -> Result<(), Fault> {
    match kind {
        DatastoreKind::Sqlite => Ok(()),
        DatastoreKind::External => {
            Err(refused("a server with an external datastore cannot be changed by this build of Belay"))
        }
        DatastoreKind::Etcd => match etcd::observed(server) {
            Ok(facts) if facts.members.len() == 1 => Ok(()),
            Ok(facts) => Err(refused(format!(
                "etcd has {} members; this build of Belay changes a single server only",
                facts.members.len()
            ))),
            Err(error) => Err(refused(format!("who is a member of etcd could not be read: {error}"))),
        },
    }
}
