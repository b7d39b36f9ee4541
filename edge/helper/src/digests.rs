use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use belay_facts::Digest;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a file's content, and its length.
///
/// # Errors
/// When it cannot be read to its end.
pub fn digest_file(path: &Path) -> io::Result<(Digest, u64)> {
    digest_reader(File::open(path)?)
}

/// Reads a file to its end, so that it is in the page cache.
pub(crate) fn read_through(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1024 * 1024];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// The SHA-256 and the length of what a reader gives.
///
/// # Errors
/// When it cannot be read to its end.
pub fn digest_reader(mut from: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1024 * 1024];
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok((Digest::from_bytes(hasher.finalize().into()), length));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        length += read as u64;
    }
}

/// Digests of large files that are asked for again and again, remembered by inode, size and time of the content.
///
/// Either for showing what runs, or for the length of one request: there a binary is looked at before and after an
/// exchange, which changes names and not files, and each look at 107 MB would lengthen the outage.
#[derive(Debug, Default)]
pub struct SeenDigests(BTreeMap<(u64, u64), Seen>);

#[derive(Debug)]
struct Seen {
    size: u64,
    modified: (i64, i64),
    digest: Digest,
}

impl SeenDigests {
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&mut self, path: &Path) -> io::Result<Digest> {
        let meta = fs::metadata(path)?;
        let (size, id) = (meta.size(), (meta.dev(), meta.ino()));
        let modified = (meta.mtime(), meta.mtime_nsec());
        if let Some(seen) = self.0.get(&id)
            && (seen.size, seen.modified) == (size, modified)
        {
            return Ok(seen.digest);
        }
        let digest = digest_file(path)?.0;
        self.0.insert(id, Seen { size, modified, digest });
        Ok(digest)
    }
}
