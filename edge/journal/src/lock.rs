use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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
        let file = file.map_err(open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
                let holder = holder.filter(|text| !text.is_empty()).unwrap_or_else(|| "(unknown)".into());
                return Err(LockError::Held { path: path.into(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(open(source)),
        }
        // Only for people: the lock itself is the kernel's.
        let name = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all_at(name.as_bytes(), 0)).map_err(open)?;
        Ok(Self { file })
    }
}

/// Whether the process that last took a lock still lives, without taking it: for who only watches. A number that another
/// process has got since counts as alive.
#[must_use]
pub fn holder_lives(path: &Path) -> bool {
    let holder = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u32>().ok());
    holder.is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
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
