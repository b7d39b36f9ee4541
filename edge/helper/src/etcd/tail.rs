use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::message::{self, Field, Fields};
use super::store::Latest;
use super::wal;
use crate::content;

/// What was attempted on etcd's log, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    #[error("etcd's log {path} could not be read: {source}", path = .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("etcd's log {path} does not begin where its database ends (entry {after})", path = .path.display())]
    Gap { path: PathBuf, after: u64 },
}

/// The entries of etcd's log that its database does not have yet. With one member all of them are committed: the next
/// start applies them.
#[derive(Debug)]
pub(crate) struct Tail {
    requests: Vec<Vec<u8>>,
    /// A record was torn, or an entry cannot be told.
    complete: bool,
}

impl Tail {
    /// Reads the log in `dir` after the entry `after`.
    pub(super) fn read(dir: &Path, after: u64) -> Result<Self, WalError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WalError::Read { path, source }
        };
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed(dir))? {
            let path = entry.map_err(failed(dir))?.path();
            if let Some(first) = wal::first_entry(&path) {
                segments.push((first, path));
            }
        }
        segments.sort_unstable();
        // The last segment that begins at or before what is looked for, and all after it.
        let next = after.saturating_add(1);
        let begin = segments.iter().rposition(|(first, _)| *first <= next).unwrap_or(0);
        let mut entries: BTreeMap<u64, wal::Entry> = BTreeMap::new();
        let mut complete = true;
        for (_, path) in segments.iter().skip(begin) {
            // A segment is made 64 MB long ahead of its content.
            let content = content::read(path).map_err(failed(path))?;
            let mut records = wal::Records::of(&content);
            for record in &mut records {
                if let Some(entry) = wal::Entry::of(&record) {
                    // A later record of the same index replaces it and all behind it.
                    entries.split_off(&entry.index);
                    entries.insert(entry.index, entry);
                }
            }
            complete &= records.whole();
        }
        let new = entries.split_off(&next);
        if new.first_key_value().is_some_and(|(first, _)| *first != next) {
            return Err(WalError::Gap { path: dir.into(), after });
        }
        let requests = new.into_values().filter(|entry| entry.is_request()).map(|entry| entry.data).collect();
        Ok(Self { requests, complete })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Applies the entries as etcd would.
    pub(super) fn replay(&self, latest: &mut BTreeMap<Vec<u8>, Latest>, revision: &mut u64) {
        for request in &self.requests {
            let mut change = Change { latest, revision: revision.saturating_add(1), sub: 0 };
            for field in Fields::of(request) {
                // etcd `api/etcdserverpb/raft_internal.proto`.
                match field {
                    Field::Bytes(4, put) => change.put(put),
                    Field::Bytes(5, range) => change.delete(range),
                    Field::Bytes(6, txn) => change.txn(txn, 0),
                    // A lease that ends takes its keys along: events and the addresses of API servers, which are only
                    // counted. It may have had none; then a revision is skipped here, which does no harm.
                    Field::Bytes(9, _) => change.sub += 1,
                    _ => {}
                }
            }
            if change.sub > 0 {
                *revision = revision.saturating_add(1);
            }
        }
    }
}

/// One entry being applied: all its changes have one revision.
struct Change<'a> {
    latest: &'a mut BTreeMap<Vec<u8>, Latest>,
    revision: u64,
    sub: u64,
}

impl Change<'_> {
    fn put(&mut self, request: &[u8]) {
        let Some(key) = message::bytes(request, 1) else { return };
        let version =
            self.latest.get(key).filter(|latest| latest.live).map_or(0, |latest| latest.version).saturating_add(1);
        let now = Latest { revision: self.revision, sub: self.sub, version, live: true };
        self.latest.insert(key.to_vec(), now);
        self.sub += 1;
    }

    fn delete(&mut self, request: &[u8]) {
        let key = message::bytes(request, 1).unwrap_or_default();
        let end = message::bytes(request, 2).filter(|end| !end.is_empty());
        let in_range = |found: &[u8]| match end {
            None => found == key,
            // A single zero means: to the end of all keys.
            Some([0]) => found >= key,
            Some(end) => found >= key && found < end,
        };
        for (_, latest) in self.latest.iter_mut().filter(|(found, latest)| latest.live && in_range(found)) {
            *latest = Latest { revision: self.revision, sub: self.sub, version: 0, live: false };
            self.sub += 1;
        }
    }

    fn txn(&mut self, request: &[u8], depth: usize) {
        // etcd allows no deeper nesting either.
        if depth > 8 {
            return;
        }
        let succeeds = message::all(request, 1).all(|compare| self.compare(compare));
        for operation in message::all(request, if succeeds { 2 } else { 3 }) {
            for field in Fields::of(operation) {
                match field {
                    Field::Bytes(2, put) => self.put(put),
                    Field::Bytes(3, range) => self.delete(range),
                    Field::Bytes(4, txn) => self.txn(txn, depth + 1),
                    _ => {}
                }
            }
        }
    }

    /// etcd `api/etcdserverpb/rpc.proto`, Compare. Kubernetes compares the revision of the last change, and the version
    /// of its compaction key; anything else is taken as true, so that a change is rather listed than missed.
    fn compare(&self, compare: &[u8]) -> bool {
        let key = message::bytes(compare, 3).unwrap_or_default();
        let latest = self.latest.get(key).filter(|latest| latest.live);
        let (is, asked) = match message::number(compare, 2) {
            0 => (latest.map_or(0, |latest| latest.version), message::number(compare, 4)),
            2 => (latest.map_or(0, |latest| latest.revision), message::number(compare, 6)),
            _ => return true,
        };
        match message::number(compare, 1) {
            0 => is == asked,
            1 => is > asked,
            2 => is < asked,
            _ => is != asked,
        }
    }
}
