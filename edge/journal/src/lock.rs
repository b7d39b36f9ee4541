use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use belay_facts::{Coordinator, Life};

use crate::process;

/// An exclusive lock on a file, held until it is dropped or its process ends. Says who holds it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} is locked by process {holder}", path = .path.display())]
    Held { path: PathBuf, holder: String },
    #[error("the lock {path} could not be opened: {source}", path = .path.display())]
    Open { path: PathBuf, source: io::Error },
}

impl Lock {
    /// Takes the lock now, or says who holds it.
    ///
    /// # Errors
    /// `Held` when another process (or another holder in this one) has it.
    pub fn try_take(path: &Path) -> Result<Self, LockError> {
        let open = |source| LockError::Open { path: path.into(), source };
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
        // Where nothing can be written a lock that is there can be held all the same.
        let (file, read_only) = match file {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                (File::open(path).map_err(|_| open(error))?, true)
            }
            file => (file.map_err(open)?, false),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(path).unwrap_or_default();
                let holder = text.lines().next().filter(|pid| !pid.is_empty()).unwrap_or("(unknown)").to_owned();
                return Err(LockError::Held { path: path.into(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(open(source)),
        }
        if read_only {
            return Ok(Self { file });
        }
        // Only for people, and for who asks whether that process lives: the lock itself is the kernel's.
        let own = serde_json::to_string(&process::this_process()).unwrap_or_default();
        let name = format!("{}\n{own}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all_at(name.as_bytes(), 0)).map_err(open)?;
        Ok(Self { file })
    }
}

/// Who last took a lock, and whether that process lives, without taking it: for who only watches.
#[must_use]
pub fn holder(path: &Path) -> (Option<Coordinator>, Life) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let named: Option<Coordinator> = text.lines().nth(1).and_then(|line| serde_json::from_slice(line.as_bytes()).ok());
    let life = named.as_ref().map_or(Life::Unknown, |holder| process::life(holder, Path::new("/proc")));
    (named, life)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread has just forked holds the same open file until it has
        // called exec, and the lock with it.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lock_is_free_although_another_descriptor_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::try_take(&path).unwrap();
        assert!(matches!(Lock::try_take(&path), Err(LockError::Held { .. })));
        // As a forked child has it.
        let _inherited = lock.file.try_clone().unwrap();
        drop(lock);
        Lock::try_take(&path).unwrap();
    }
}
