//! The mark of a datastore: what its files were at one moment, so that a later look tells whether anybody wrote.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use belay_facts::DatastoreKind;
use belay_wire::{DatastoreMark, Fault};

use crate::digests::digest_file;
use crate::fault::Attempt as _;

/// Reads size, time and content of the datastore's files below `server`.
///
/// SQLite's `-shm` is left out: it is only an index of the log, and every reader rewrites it. An empty log counts as
/// none, because a reader may create it.
pub(crate) fn mark(server: &Path, kind: DatastoreKind) -> Result<DatastoreMark, Fault> {
    let names = match kind {
        DatastoreKind::Sqlite => vec![PathBuf::from("db/state.db"), PathBuf::from("db/state.db-wal")],
        DatastoreKind::Etcd => below(server, Path::new("db/etcd"))?,
        DatastoreKind::External => Vec::new(),
    };
    let mut files = Vec::new();
    for name in names {
        let path = server.join(&name);
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.len() == 0 {
            continue;
        }
        let (digest, size) = digest_file(&path).attempt(|| format!("{} could not be read", path.display()))?;
        let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        files.push((name.to_string_lossy().into_owned(), size, time, digest));
    }
    files.sort();
    Ok(DatastoreMark { files })
}

fn below(root: &Path, dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    let entries = fs::read_dir(root.join(dir)).attempt(|| format!("{} could not be listed", dir.display()))?;
    for entry in entries.flatten() {
        let name = dir.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(below(root, &name)?),
            Ok(kind) if kind.is_file() => files.push(name),
            _ => {}
        }
    }
    Ok(files)
}
