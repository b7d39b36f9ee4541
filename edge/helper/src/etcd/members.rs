use std::fs;
use std::path::Path;

use belay_facts::{EtcdFacts, EtcdMember};
use serde::Deserialize;

use super::bolt::BoltError;
use super::health::{healthy, metrics};
use super::store::{DATABASE, LOG, Store, StoreError};
use super::{message, wal};
use crate::bootstrap;

/// A live database is read between two of its transactions; etcd commits ten times a second under load.
const TRIES: usize = 20;
/// Larger ones are not read to their end for facts; `prove-backup` reads the snapshot.
const READ_FOR_FACTS: u64 = 256 * 1024 * 1024;

/// Who is a member and how etcd is, from the files below `server`, and from its health endpoint where it runs.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn observed(server: &Path) -> Result<EtcdFacts, StoreError> {
    let path = server.join(DATABASE);
    let mut facts = between_writes(&path, stored)?;
    facts.cluster = identity(&server.join(LOG)).map(|(cluster, _)| format!("{cluster:x}"));
    facts.healthy = healthy();
    Ok(facts)
}

/// As [`observed`], with what the metrics say of versions and sizes.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn facts(server: &Path) -> Result<EtcdFacts, StoreError> {
    let mut facts = observed(server)?;
    if let Some(told) = metrics() {
        facts.server = told.label("etcd_server_version", "server_version");
        facts.leader = told.value("etcd_server_has_leader").map(|value| value > 0.0);
        let bytes = |name| told.value(name).map(|value| value as u64);
        facts.quota = bytes("etcd_server_quota_backend_bytes").filter(|quota| *quota > 0);
        facts.in_use = bytes("etcd_mvcc_db_total_size_in_use_in_bytes");
        facts.sync_99 = told.within("etcd_disk_wal_fsync_duration_seconds", 0.99);
    }
    Ok(facts)
}

/// What a live database holds.
pub(crate) struct Content {
    pub revision: u64,
    pub keys: u64,
    pub integrity: String,
    /// Rows of K3s' own CAs and keys, with their names.
    pub bootstrap: Vec<bootstrap::Row>,
}

/// Reads a live database to its end; `None` when it is too large for that.
///
/// # Errors
/// When it cannot be read, or was written again and again while it was.
pub(crate) fn content(server: &Path) -> Result<Option<Content>, StoreError> {
    let path = server.join(DATABASE);
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > READ_FOR_FACTS) {
        return Ok(None);
    }
    let content = between_writes(&path, |store| {
        let integrity = match store.check() {
            Ok(said) => said,
            // Of a page that was written over meanwhile as well; then the whole is asked again.
            Err(StoreError::Bolt(error @ BoltError::Damaged { .. })) => error.to_string(),
            Err(error) => return Err(error),
        };
        let (keys, bootstrap) = store.keys_and_below(bootstrap::PREFIX)?;
        Ok(Content { revision: store.revision()?, keys, integrity, bootstrap })
    })?;
    Ok(Some(content))
}

/// Calls `read` until it has seen one transaction from begin to end.
pub(super) fn between_writes<T>(path: &Path, read: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut last = None;
    for _ in 0..TRIES {
        let seen = Store::open(path).and_then(|store| {
            let seen = read(&store)?;
            store.bolt().unchanged()?;
            Ok(seen)
        });
        match seen {
            Ok(seen) => return Ok(seen),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(StoreError::Foreign { path: path.into(), why: "it was not read" }))
}

pub(crate) fn stored(store: &Store) -> Result<EtcdFacts, StoreError> {
    let bolt = store.bolt();
    let mut facts = EtcdFacts {
        cluster: None,
        server: None,
        cluster_version: None,
        storage: store.storage_version()?,
        members: Vec::new(),
        alarms: Vec::new(),
        healthy: None,
        leader: None,
        quota: None,
        in_use: None,
        sync_99: None,
    };
    if let Some(cluster) = bolt.bucket(b"cluster")? {
        facts.cluster_version = bolt.get(&cluster, b"clusterVersion")?.and_then(|value| String::from_utf8(value).ok());
    }
    if let Some(members) = bolt.bucket(b"members")? {
        bolt.walk(&members, &mut |leaf| facts.members.push(member(&leaf.key, &leaf.value)))?;
    }
    if let Some(alarms) = bolt.bucket(b"alarm")? {
        // etcd `api/etcdserverpb/rpc.proto`, AlarmMember.
        bolt.walk(&alarms, &mut |leaf| {
            let name = match message::number(&leaf.key, 2) {
                1 => "NOSPACE".to_owned(),
                2 => "CORRUPT".to_owned(),
                other => format!("alarm {other}"),
            };
            facts.alarms.push(name);
        })?;
    }
    Ok(facts)
}

/// As etcd stores a member (`server/storage/schema/membership.go`), keyed by its id in hexadecimal.
#[derive(Default, Deserialize)]
pub(super) struct Member {
    #[serde(default)]
    pub id: u64,
    #[serde(default)]
    pub name: String,
    #[serde(default, rename = "isLearner")]
    pub learner: bool,
}

fn member(id: &[u8], json: &[u8]) -> EtcdMember {
    let written: Member = serde_json::from_slice(json).unwrap_or_default();
    EtcdMember { id: String::from_utf8_lossy(id).into_owned(), name: written.name, learner: written.learner }
}

/// The ids of the cluster and of its member here: only the log names the first.
pub(super) fn identity(log: &Path) -> Option<(u64, u64)> {
    let mut segments: Vec<_> = fs::read_dir(log).ok()?.flatten().map(|entry| entry.path()).collect();
    segments.retain(|path| wal::first_entry(path).is_some());
    segments.sort_unstable();
    let content = start_of(segments.last()?)?;
    wal::identity(&content)
}

fn start_of(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    fs::File::open(path).ok()?.take(64 * 1024).read_to_end(&mut content).ok()?;
    Some(content)
}
