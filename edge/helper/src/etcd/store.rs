use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use belay_facts::Digest;
use sha2::{Digest as _, Sha256};

use super::bolt::{Bolt, BoltError, Bucket};
use super::tail::{Tail, WalError};
use super::{backwards, be_u64, commit, message};
use crate::bootstrap::Row;

/// Where etcd's database and its log lie below `server/`.
pub(crate) const DATABASE: &str = "db/etcd/member/snap/db";
pub(crate) const LOG: &str = "db/etcd/member/wal";

/// What was attempted on etcd's files, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Bolt(#[from] BoltError),
    #[error(transparent)]
    Wal(#[from] WalError),
    #[error("{path} is not etcd's database: {why}", path = .path.display())]
    Foreign { path: PathBuf, why: &'static str },
    #[error("{path} is not a whole snapshot: {why}", path = .path.display())]
    Snapshot { path: PathBuf, why: &'static str },
    #[error(
        "{path} cannot be made this server's etcd: {why}; K3s itself restores it as another member: \
         `k3s server --cluster-reset --cluster-reset-restore-path={path}`, with the unit stopped and, until that has ended, \
         disabled: a boot in the middle of it would start an empty cluster",
        path = .path.display()
    )]
    Member { path: PathBuf, why: String },
    #[error("{path} could not be read: {source}", path = .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} could not be written: {source}", path = .path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// The last that is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    pub revision: u64,
    /// Which change of that revision.
    pub sub: u64,
    /// How often it was written since it was created.
    pub version: u64,
    pub live: bool,
}

/// etcd's database: history of keys in the bucket `key`, by revision (etcd `server/storage/mvcc`).
#[derive(Debug)]
pub struct Store {
    bolt: Bolt,
    keys: Bucket,
    meta: Bucket,
    /// Changes in the log that the database does not have yet.
    tail: Option<Tail>,
}

impl Store {
    /// Opens a database alone, such as a snapshot.
    ///
    /// # Errors
    /// When it cannot be read or is not etcd's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let bolt = Bolt::open(path)?;
        let bucket = |name: &'static str, why| {
            bolt.bucket(name.as_bytes())?.ok_or_else(|| StoreError::Foreign { path: path.into(), why })
        };
        let keys = bucket("key", "it has no bucket `key`")?;
        let meta = bucket("meta", "it has no bucket `meta`")?;
        Ok(Self { bolt, keys, meta, tail: None })
    }

    /// Opens the database of a stopped server together with what is only in its log: after a kill or a power cut the
    /// last acknowledged writes are there, and the next start takes them from there.
    ///
    /// # Errors
    /// When one of them cannot be read or does not belong to the other.
    pub fn of_server(server: &Path) -> Result<Self, StoreError> {
        let mut store = Self::open(&server.join(DATABASE))?;
        store.tail = Some(Tail::read(&server.join(LOG), store.consistent_index()?)?);
        Ok(store)
    }

    pub(super) fn bolt(&self) -> &Bolt {
        &self.bolt
    }

    pub(super) fn meta_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.bolt.get(&self.meta, key.as_bytes())?)
    }

    /// Index of the last entry of the log that the database has.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn consistent_index(&self) -> Result<u64, StoreError> {
        Ok(self.meta_value("consistent_index")?.and_then(|value| be_u64(&value, 0)).unwrap_or(0))
    }

    /// Such as `3.6.0`; `None` before etcd 3.6.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn storage_version(&self) -> Result<Option<String>, StoreError> {
        Ok(self.meta_value("storageVersion")?.and_then(|value| String::from_utf8(value).ok()))
    }

    /// Up to which revision history was compacted away.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn compacted(&self) -> Result<u64, StoreError> {
        let of = |key| Ok::<_, StoreError>(self.meta_value(key)?.and_then(|value| be_u64(&value, 0)).unwrap_or(0));
        Ok(of("finishedCompactRev")?.max(of("scheduledCompactRev")?))
    }

    /// Highest revision that was ever handed out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn revision(&self) -> Result<u64, StoreError> {
        match &self.tail {
            Some(tail) if !tail.is_empty() => Ok(self.replayed()?.1),
            _ => self.stored_revision(),
        }
    }

    fn stored_revision(&self) -> Result<u64, StoreError> {
        let last = self.bolt.last_key(&self.keys)?.and_then(|key| be_u64(&key, 0)).unwrap_or(0);
        Ok(last.max(self.compacted()?).max(1))
    }

    /// Whether everything in the log could be told; where not, a list of changes is incomplete.
    pub(crate) fn is_complete(&self) -> bool {
        self.tail.as_ref().is_none_or(|tail| tail.is_complete())
    }

    /// Every key with its last change, the log's included, and the revision where that ends.
    fn replayed(&self) -> Result<(BTreeMap<Vec<u8>, Latest>, u64), StoreError> {
        let mut latest = self.stored()?;
        let mut revision = self.stored_revision()?;
        if let Some(tail) = &self.tail {
            tail.replay(&mut latest, &mut revision);
        }
        Ok((latest, revision))
    }

    fn stored(&self) -> Result<BTreeMap<Vec<u8>, Latest>, StoreError> {
        let mut latest = BTreeMap::new();
        self.bolt.walk(&self.keys, &mut |leaf| {
            let (Some(revision), Some(sub)) = (be_u64(&leaf.key, 0), be_u64(&leaf.key, 9)) else { return };
            // etcdutl's own way to raise a revision is a record without a key.
            let Some(key) = message::bytes(&leaf.value, 1).filter(|key| !key.is_empty()) else { return };
            let live = leaf.key.get(17) != Some(&b't');
            let version = message::number(&leaf.value, 4);
            latest.insert(key.to_vec(), Latest { revision, sub, version, live });
        })?;
        Ok(latest)
    }

    /// Number of live keys.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn keys(&self) -> Result<u64, StoreError> {
        Ok(self.replayed()?.0.iter().filter(|(key, latest)| latest.live && !is_own(key)).count() as u64)
    }

    /// Number of live keys, and those below `prefix` with their values, in one pass. Of the database alone.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub(crate) fn keys_and_below(&self, prefix: &str) -> Result<(u64, Vec<Row>), StoreError> {
        let latest = self.stored()?;
        let keys = latest.iter().filter(|(key, latest)| latest.live && !is_own(key)).count() as u64;
        let from = latest.range(prefix.as_bytes().to_vec()..);
        let mut below = Vec::new();
        for (key, latest) in from.take_while(|(key, _)| key.starts_with(prefix.as_bytes())).filter(|(_, l)| l.live) {
            let value = message::bytes(&self.record(latest)?, 5).unwrap_or_default().to_vec();
            below.push((String::from_utf8_lossy(key).into_owned(), value));
        }
        Ok((keys, below))
    }

    /// Calls `each` with every key that has left a trace, the revision of its last change, and whether it is live.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn latest(&self, mut each: impl FnMut(String, u64, bool)) -> Result<(), StoreError> {
        for (key, latest) in self.replayed()?.0 {
            each(String::from_utf8_lossy(&key).into_owned(), latest.revision, latest.live);
        }
        Ok(())
    }

    /// Calls `each` with every live key and its value, newest change first. Of the database alone.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn each_live(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        Ok(backwards::each_live(&self.bolt, &self.keys, each)?)
    }

    /// Digest over all live keys and values in key order, each with its length before it. Of the database alone.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn root(&self) -> Result<Digest, StoreError> {
        let mut hasher = Sha256::new();
        for (key, latest) in self.stored()?.into_iter().filter(|(key, latest)| latest.live && !is_own(key)) {
            let record = self.record(&latest)?;
            for part in [key.as_slice(), message::bytes(&record, 5).unwrap_or_default()] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// The live value of one key. Of the database alone.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.stored()?.get(key).filter(|latest| latest.live) {
            Some(latest) => Ok(Some(message::bytes(&self.record(latest)?, 5).unwrap_or_default().to_vec())),
            None => Ok(None),
        }
    }

    fn record(&self, latest: &Latest) -> Result<Vec<u8>, StoreError> {
        let mut place = latest.revision.to_be_bytes().to_vec();
        place.push(b'_');
        place.extend(latest.sub.to_be_bytes());
        Ok(self.bolt.get(&self.keys, &place)?.unwrap_or_default())
    }

    /// Reads every page and says `ok`.
    ///
    /// # Errors
    /// When a page is damaged or cannot be read.
    pub fn check(&self) -> Result<String, StoreError> {
        self.bolt.check()?;
        Ok("ok".to_owned())
    }
}

/// Makes the next revision of a stopped server's database follow `revision`, by saying that everything up to it was
/// compacted: etcd starts at the higher of its last change and its compaction (`mvcc.store.restore`, the same in 3.4 to
/// 3.7), and whoever asks for an older revision is told to list again. `etcdutl snapshot restore --bump-revision
/// --mark-compacted` leaves the same. The log is not touched: what it has after the database's index comes above.
///
/// # Errors
/// When it cannot be read or written.
pub fn raise_revision(server: &Path, revision: u64) -> Result<(), StoreError> {
    let path = server.join(DATABASE);
    let store = Store::open(&path)?;
    if store.stored_revision()? >= revision && store.compacted()? >= revision {
        return Ok(());
    }
    // As etcd writes a revision: main, `_`, sub.
    let mut value = revision.to_be_bytes().to_vec();
    value.push(b'_');
    value.extend(0_u64.to_be_bytes());
    let entries = [(b"finishedCompactRev".as_slice(), value.clone()), (b"scheduledCompactRev".as_slice(), value)];
    Ok(commit::set(&path, b"meta", &entries)?)
}

/// What keeps the datastore itself going, and is no object of the cluster.
fn is_own(key: &[u8]) -> bool {
    key == b"compact_rev_key"
}
