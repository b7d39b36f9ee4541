use std::path::{Path, PathBuf};

use belay_facts::{Coordinator, Life, Mutant, mutated};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::line::{self, Damage, NO_PREVIOUS};
use crate::{Disk, JournalError, Kernel, lock};

/// One record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// From 1, without gaps.
    pub seq: u64,
    /// SHA-256 of the line, 64 hexadecimal digits.
    pub hash: String,
    pub body: T,
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    Clean,
    /// An incomplete last line, which was never acknowledged; opening the journal cuts it off.
    Torn {
        /// Offset at which the incomplete line begins.
        at: u64,
        bytes: u64,
    },
}

/// What a journal without damage holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub records: u64,
    /// Hash of the last record; 64 zeros when there is none.
    pub last: String,
    pub tail: Tail,
}

/// Reads a journal, also while another process writes it.
///
/// # Errors
/// When it cannot be read, or a record is damaged or not a `T`; the record is named.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Vec<Record<T>>, Tail), JournalError> {
    read_on(&Kernel, path)
}

/// The same on any disk.
///
/// # Errors
/// As [`read`].
pub fn read_on<T: DeserializeOwned>(disk: &impl Disk, path: &Path) -> Result<(Vec<Record<T>>, Tail), JournalError> {
    let bytes = disk.read(path).map_err(|source| JournalError::Read { path: path.into(), source })?;
    read_bytes(path, &bytes)
}

/// The same of a journal that lies elsewhere and was brought here; `path` is only what errors call it.
///
/// # Errors
/// When a record is damaged or not a `T`; the record is named.
pub fn read_bytes<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<(Vec<Record<T>>, Tail), JournalError> {
    let mut records = Vec::new();
    let verified = walk(path, bytes, |seq, hash, json| {
        records.push(Record { seq, hash: hash.to_owned(), body: serde_json::from_slice(json.as_bytes())? });
        Ok(())
    })?;
    Ok((records, verified.tail))
}

/// Checks form, checksums, sequence and the chain of hashes of a whole journal.
///
/// # Errors
/// When it cannot be read or is damaged; the first damaged record is named.
pub fn verify(path: &Path) -> Result<Verified, JournalError> {
    verify_on(&Kernel, path)
}

/// The same on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(disk: &impl Disk, path: &Path) -> Result<Verified, JournalError> {
    let bytes = disk.read(path).map_err(|source| JournalError::Read { path: path.into(), source })?;
    walk(path, &bytes, |_, _, json| serde_json::from_slice::<IgnoredAny>(json.as_bytes()).map(|_| ()))
}

pub(crate) fn walk(
    path: &Path,
    bytes: &[u8],
    mut each: impl FnMut(u64, &str, &str) -> Result<(), serde_json::Error>,
) -> Result<Verified, JournalError> {
    let mut previous = NO_PREVIOUS.to_owned();
    let mut seq = 0;
    let mut at = 0;
    for whole in bytes.split_inclusive(|&byte| byte == b'\n') {
        let damage = |damage| JournalError::Damaged { path: path.into(), record: seq + 1, damage };
        let torn = Tail::Torn { at, bytes: whole.len() as u64 };
        let last = at + whole.len() as u64 == bytes.len() as u64;
        if last && line::has_unwritten_sector(whole, at) {
            return Ok(Verified { records: seq, last: previous, tail: torn });
        }
        let Some(text) = whole.strip_suffix(b"\n") else {
            if !line::is_torn(whole) {
                return Err(damage(Damage::Form));
            }
            return Ok(Verified { records: seq, last: previous, tail: torn });
        };
        let parsed = line::parse(text).map_err(damage)?;
        if parsed.seq != seq + 1 {
            return Err(damage(Damage::Sequence));
        }
        if parsed.previous != previous && !mutated(Mutant::IgnoreChain) {
            return Err(damage(Damage::Chain));
        }
        let hash = line::hash(text);
        each(parsed.seq, &hash, parsed.json).map_err(|_| damage(Damage::Json))?;
        (seq, previous, at) = (parsed.seq, hash, at + whole.len() as u64);
    }
    Ok(Verified { records: seq, last: previous, tail: Tail::Clean })
}

/// Whether somebody holds the journal for writing, as far as the name in its lock tells.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    matches!(holder(path).1, Life::Lives | Life::Paused)
}

/// Who last held the journal for writing, and whether that process lives.
#[must_use]
pub fn holder(path: &Path) -> (Option<Coordinator>, Life) {
    lock::holder(&beside(path))
}

/// The lock file beside a journal.
pub(crate) fn lock_beside<D: Disk>(disk: &D, path: &Path) -> Result<D::Lock, JournalError> {
    Ok(disk.lock(&beside(path))?)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}
