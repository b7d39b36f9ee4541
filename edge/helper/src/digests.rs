use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use belay_facts::Digest;
use sha2::{Digest as _, Sha256};

use crate::stamp::Stamp;

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

/// Digests of large files that are asked for again and again, remembered for as long as the kernel says that the file is
/// the same and unchanged. One for the whole process: clones share what they know.
///
/// A binary is looked at before the stop, before and after an exchange and before a start; each look at 107 MB would
/// lengthen the outage.
#[derive(Clone, Debug, Default)]
pub struct SeenDigests(Rc<RefCell<Seen>>);

/// By device and inode.
type Seen = BTreeMap<(u64, u64), (Stamp, Digest)>;

impl SeenDigests {
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self, path: &Path) -> io::Result<Digest> {
        let stamp = Stamp::read(path)?;
        let id = (stamp.device, stamp.inode);
        if let Some((seen, digest)) = self.0.borrow().get(&id)
            && *seen == stamp
        {
            return Ok(*digest);
        }
        let settled = stamp.is_settled();
        let digest = digest_file(path)?.0;
        // Only of a file in which a later write would be seen.
        if settled && Stamp::read(path).is_ok_and(|after| after == stamp) {
            self.0.borrow_mut().insert(id, (stamp, digest));
        }
        Ok(digest)
    }

    /// To be called right after a rename or an exchange of ours, which changes the file's times and nothing in it.
    pub(crate) fn renamed(&self, path: &Path) {
        let Ok(now) = Stamp::read(path) else { return };
        if let Some((seen, _)) = self.0.borrow_mut().get_mut(&(now.device, now.inode))
            && (seen.size, seen.modified) == (now.size, now.modified)
        {
            seen.changed = now.changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(path: &Path) {
        while !Stamp::read(path).unwrap().is_settled() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_digest_is_remembered_over_a_rename_of_ours_and_never_over_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, "one").unwrap();
        settle(&a);
        let (seen, one) = (SeenDigests::default(), Digest::of(b"one"));
        assert_eq!(seen.clone().digest(&a).unwrap(), one);
        let remembered = |path| {
            let stamp = Stamp::read(path).unwrap();
            seen.0.borrow().get(&(stamp.device, stamp.inode)).is_some_and(|(known, _)| *known == stamp)
        };
        assert!(remembered(&a));
        std::fs::rename(&a, &b).unwrap();
        seen.renamed(&b);
        assert!(remembered(&b));
        assert_eq!(seen.digest(&b).unwrap(), one);
        // Same length, and its time of modification put back.
        let time = std::fs::metadata(&b).unwrap().modified().unwrap();
        std::fs::write(&b, "two").unwrap();
        File::options().write(true).open(&b).unwrap().set_modified(time).unwrap();
        assert!(!remembered(&b));
        assert_eq!(seen.digest(&b).unwrap(), Digest::of(b"two"));
        assert!(!remembered(&b), "a second write in the same tick would not be seen");
    }
}
