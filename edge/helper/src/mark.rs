//! The mark of a datastore: what its files were at one moment, so that a later look tells whether anybody wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use belay_facts::{DatastoreKind, Digest, Mutant, mutated};
use belay_wire::{DatastoreMark, Fault, FileStamp};

use crate::content::TrimmedHash;
use crate::digests::digest_file;
use crate::fault::Attempt as _;
use crate::stamp::Stamp;

/// SQLite's `-shm` is left out: it is only an index of the log, and every reader rewrites it.
const SQLITE: [&str; 2] = ["db/state.db", "db/state.db-wal"];
const ETCD: &str = "db/etcd";

/// Reads size, time and content of the datastore's files below `server`. An empty log counts as none, because a reader
/// may create it.
pub(crate) fn mark(server: &Path, kind: DatastoreKind) -> Result<DatastoreMark, Fault> {
    Ok(DatastoreMark { files: marked(server, kind, TrimmedHash::of_file)?, trimmed: true })
}

/// Whether the datastore below `server` is what it was when it was marked, also by an earlier Belay.
pub(crate) fn is_marked(server: &Path, kind: DatastoreKind, mark: &DatastoreMark) -> Result<bool, Fault> {
    let files =
        if mark.trimmed { marked(server, kind, TrimmedHash::of_file)? } else { marked(server, kind, digest_file)? };
    Ok(files == mark.files)
}

/// The mark from what was read of the files while they were copied; `None` when one of them was not.
pub(crate) fn mark_of(stamps: &[FileStamp], digests: &BTreeMap<PathBuf, (Digest, u64)>) -> Option<DatastoreMark> {
    let file = |stamp: &FileStamp| {
        let (digest, size) = digests.get(Path::new(&stamp.name))?;
        Some((stamp.name.clone(), *size, stamp.modified, *digest))
    };
    Some(DatastoreMark { files: stamps.iter().map(file).collect::<Option<_>>()?, trimmed: true })
}

/// What the kernel says of the datastore's files, without reading them. Empty when the last write was only just made: one
/// in the same tick of its clock would not be seen.
pub(crate) fn stamps(server: &Path, kind: DatastoreKind) -> Result<Vec<FileStamp>, Fault> {
    let mut stamps = Vec::new();
    for name in names(server, kind)? {
        let Ok(stamp) = Stamp::read(&server.join(&name)) else { continue };
        if stamp.size == 0 {
            continue;
        }
        if !stamp.is_settled() {
            return Ok(Vec::new());
        }
        let Stamp { inode, size, modified, changed, .. } = stamp;
        stamps.push(FileStamp { name: name.to_string_lossy().into_owned(), inode, size, modified, changed });
    }
    stamps.sort_unstable();
    Ok(stamps)
}

/// Whether a file, named relative to `server`, is one of the datastore's.
pub(crate) fn is_of_datastore(kind: DatastoreKind, name: &Path) -> bool {
    match kind {
        DatastoreKind::Sqlite => SQLITE.iter().any(|file| name == Path::new(file)),
        DatastoreKind::Etcd => name.starts_with(ETCD),
        DatastoreKind::External => false,
    }
}

fn names(server: &Path, kind: DatastoreKind) -> Result<Vec<PathBuf>, Fault> {
    match kind {
        // Whoever forgets the log forgets it here as well.
        DatastoreKind::Sqlite if mutated(Mutant::LeaveStaleWal) => {
            Ok(SQLITE.into_iter().take(1).map(PathBuf::from).collect())
        }
        DatastoreKind::Sqlite => Ok(SQLITE.map(PathBuf::from).into()),
        DatastoreKind::Etcd => below(server, Path::new(ETCD)),
        DatastoreKind::External => Ok(Vec::new()),
    }
}

fn marked(
    server: &Path,
    kind: DatastoreKind,
    hash: impl Fn(&Path) -> io::Result<(Digest, u64)>,
) -> Result<Vec<(String, u64, i128, Digest)>, Fault> {
    let mut files = Vec::new();
    for name in names(server, kind)? {
        let path = server.join(&name);
        let Ok(stamp) = Stamp::read(&path) else { continue };
        if stamp.size == 0 {
            continue;
        }
        let (digest, size) = hash(&path).attempt(|| format!("{} could not be read", path.display()))?;
        files.push((name.to_string_lossy().into_owned(), size, stamp.modified, digest));
    }
    files.sort_unstable();
    Ok(files)
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
