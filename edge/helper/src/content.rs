//! The content of a file that may have holes: read and hashed without touching what was never written.
//!
//! etcd makes each segment of its log 64 MB long ahead of its content. Reading those zeros again and again would be most of
//! an outage on a slow machine.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use belay_facts::Digest;
use rustix::fs::{SeekFrom, seek};
use sha2::{Digest as _, Sha256};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
const ZEROS: [u8; 4096] = [0; 4096];

/// Calls `each` with everything in a file that is not a hole, in order, each piece with its place. Returns the length.
///
/// # Errors
/// When it cannot be read, or becomes shorter meanwhile; and those of `each`.
pub(crate) fn pieces(file: &File, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut buffer = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK))];
    let mut at = 0;
    while at < length {
        let Some(from) = next(file, SeekFrom::Data(at))? else { break };
        let to = next(file, SeekFrom::Hole(from))?.unwrap_or(length).min(length);
        at = from;
        while at < to {
            let wanted = usize::try_from(to - at).unwrap_or(CHUNK).min(buffer.len());
            let room = buffer.get_mut(..wanted).unwrap_or_default();
            let read = match file.read_at(room, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
            }
            each(at, buffer.get(..read).unwrap_or_default())?;
            at += read as u64;
        }
    }
    Ok(length)
}

/// A file's content up to its last hole.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    pieces(&File::open(path)?, |at, bytes| {
        content.resize(usize::try_from(at).map_err(io::Error::other)?, 0);
        content.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(content)
}

/// The next data or hole; `None` when there is none before the end.
fn next(file: &File, what: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, what) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(rustix::io::Errno::INVAL) => Ok(if let SeekFrom::Data(at) = what { Some(at) } else { None }),
        Err(error) => Err(error.into()),
    }
}

/// The SHA-256 of a content up to its last byte that is not zero, so that it does not matter whether the zeros at the end
/// are written or a hole. With the length beside it, it says as much as one over everything.
#[derive(Default)]
pub(crate) struct TrimmedHash {
    hasher: Sha256,
    /// How far the hasher is, and how far it would be with the zeros that came since.
    hashed: u64,
}

impl TrimmedHash {
    /// Of a whole file, with its length.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of_file(path: &Path) -> io::Result<(Digest, u64)> {
        let mut hash = Self::default();
        let length = pieces(&File::open(path)?, |at, bytes| {
            hash.add(at, bytes);
            Ok(())
        })?;
        Ok((hash.finish(), length))
    }

    /// Takes in what lies at `at`; between the pieces there are zeros.
    pub(crate) fn add(&mut self, at: u64, bytes: &[u8]) {
        // Whole words first: a log that was written full of zeros has millions of them.
        let empty = bytes.rchunks(64).take_while(|chunk| chunk.iter().fold(0, |or, byte| or | byte) == 0);
        let empty: usize = empty.map(<[u8]>::len).sum();
        let bytes = bytes.get(..bytes.len().saturating_sub(empty)).unwrap_or_default();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let Some(bytes) = bytes.get(..end).filter(|bytes| !bytes.is_empty()) else { return };
        while self.hashed < at {
            let zeros = usize::try_from(at - self.hashed).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.hasher.update(ZEROS.get(..zeros).unwrap_or_default());
            self.hashed += zeros as u64;
        }
        self.hasher.update(bytes);
        self.hashed += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::from_bytes(self.hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_hash_is_of_the_content_up_to_its_last_byte_wherever_the_holes_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let trimmed = |content: &[u8]| {
            let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Digest::of(&content[..end])
        };
        for written in [&[][..], &[0], &[5, 70_000], &[300_000, 1_000_000], &[2_999_998]] {
            for (holes, length) in [(true, 3_000_000), (false, 3_000_000), (true, 4_000_000)] {
                let _ = fs::remove_file(&path);
                let file = File::create(&path).unwrap();
                if !holes {
                    file.write_all_at(&vec![0; 3_000_000], 0).unwrap();
                }
                file.set_len(length).unwrap();
                for at in written {
                    file.write_all_at(b"\x07\x00\x08", *at).unwrap();
                }
                let length = length.max(written.last().map_or(0, |at| at + 3));
                let content = fs::read(&path).unwrap();
                let read = super::read(&path).unwrap();
                assert!(content.starts_with(&read) && content[read.len()..].iter().all(|byte| *byte == 0));
                assert_eq!(TrimmedHash::of_file(&path).unwrap(), (trimmed(&content), length), "{written:?} {holes}");
            }
        }
    }
}
