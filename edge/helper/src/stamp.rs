//! What the kernel says of a file without reading it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock tick of the kernel is at most 10 ms; two changes within one cannot be told apart.
const TICK: Duration = Duration::from_millis(50);

/// Which file it is, how long, and when its content and the rest of it changed last.
///
/// Two equal ones that were both settled mean that nobody wrote in between: only the kernel sets the time of the last
/// change, and whoever restores a time of modification moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Of the content, in nanoseconds since 1970.
    pub modified: i128,
    /// Of anything about it, in nanoseconds since 1970.
    pub changed: i128,
}

impl Stamp {
    /// # Errors
    /// When the file is not there.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Self::of(&meta))
    }

    pub(crate) fn of(meta: &Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: time(meta.mtime(), meta.mtime_nsec()),
            changed: time(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether a change from now on would be seen in it. A clock that was set back says no.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let before = now.saturating_sub(TICK).as_nanos();
        i128::try_from(before).is_ok_and(|before| self.modified <= before && self.changed <= before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_written_is_not_settled_and_a_later_write_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one").unwrap();
        let fresh = Stamp::read(&path).unwrap();
        assert!(!fresh.is_settled());
        let old = Stamp { modified: 1, changed: 1, ..fresh };
        assert!(old.is_settled());
        // As after a clock that was set back.
        assert!(!Stamp { changed: i128::MAX, ..old }.is_settled());
        assert!(Stamp::read(&dir.path().join("b")).is_err());
    }
}
