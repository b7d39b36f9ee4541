use std::fmt::Debug;
use std::io;
use std::path::Path;

use crate::LockError;

/// What Belay asks of a file system, call by call: everything durable goes through this, so that the simulation (`edge/sim`)
/// can be a disk that loses, tears and refuses what a real one may.
///
/// Only what one system call does: the order that makes something durable is [`crate::Durable`]'s and the journal's.
pub trait Disk: Clone + Debug {
    type File: DiskFile;
    /// Held until it is dropped or its process ends.
    type Lock: Debug;

    /// # Errors
    /// As `std::fs::read`.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file that must not be there for writing, mode 0600.
    ///
    /// # Errors
    /// When it is there, or on any I/O error.
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file that must be there for appending.
    ///
    /// # Errors
    /// When it is not there, or on any I/O error.
    fn append_to(&self, path: &Path) -> io::Result<Self::File>;
    /// Writes over a file that must be there, from its beginning, with what it holds already, and syncs it: after that it is
    /// on the disk, whatever an earlier fsync has failed at.
    ///
    /// # Errors
    /// When it is not there, or on any I/O error.
    fn write_again(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// # Errors
    /// As `std::fs::remove_file`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing what is at `to`.
    ///
    /// # Errors
    /// As `std::fs::rename`.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames, replacing nothing.
    ///
    /// # Errors
    /// When `to` is there, or on any I/O error.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Exchanges two paths at once.
    ///
    /// # Errors
    /// When one is missing or the file system cannot do it.
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()>;
    /// # Errors
    /// As `std::os::unix::fs::symlink`.
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Makes one directory.
    ///
    /// # Errors
    /// When it is there, its parent is not, or on any I/O error.
    fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    fn is_dir(&self, path: &Path) -> bool;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// When it cannot be opened or synced.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file of its own.
    ///
    /// # Errors
    /// `Held` when somebody has it.
    fn lock(&self, path: &Path) -> Result<Self::Lock, LockError>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Debug {
    /// # Errors
    /// On any I/O error; a part may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// # Errors
    /// On any I/O error.
    fn set_mode(&mut self, mode: u32) -> io::Result<()>;
    /// # Errors
    /// On any I/O error.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
    /// Content and length.
    ///
    /// # Errors
    /// On any I/O error; what was not on the disk by then may never be.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Content, length and all else that belongs to the file; not its name.
    ///
    /// # Errors
    /// As `sync_data`.
    fn sync_all(&mut self) -> io::Result<()>;
}
