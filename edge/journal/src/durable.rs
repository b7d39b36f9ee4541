//! File operations that have happened when they return, also after a power cut.
//!
//! The only place that writes paths of Belay's state. Neither `std` nor `tempfile` syncs the directory, without which
//! a rename may be gone after a power cut although the file's data were synced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use belay_facts::{Mutant, mutated};
use rustix::fs::{FallocateFlags, fallocate};

use crate::{Disk, DiskFile as _, Kernel, crash_point};

/// Writes `bytes` to `path` so that the path names the old content or the new one, never a part; mode is exact.
///
/// # Errors
/// When any of it fails; a temporary file is removed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Durable(&Kernel).replace(path, bytes, mode)
}

/// Makes `path` a symbolic link to `target`, replacing a link or file that is there.
///
/// # Errors
/// When any of it fails.
pub fn replace_link(path: &Path, target: &Path) -> io::Result<()> {
    replace_links(&[(path.to_owned(), target)])
}

/// The same for several links, each path with its target: one after the other, with one sync for each directory at the end.
///
/// # Errors
/// When any of it fails; the links before it have been moved then, perhaps not durably.
pub fn replace_links(links: &[(PathBuf, &Path)]) -> io::Result<()> {
    Durable(&Kernel).replace_links(links)
}

/// Exchanges two paths of one file system at once (`renameat2(RENAME_EXCHANGE)`), files or directories.
///
/// # Errors
/// When one is missing or the file system cannot do it; then nothing was changed.
pub fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    Durable(&Kernel).exchange(a, b)
}

/// Renames, refusing to replace what is at `to`.
///
/// # Errors
/// When `to` is there, or on any I/O error.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Durable(&Kernel).rename(from, to)
}

/// Renames, replacing the file that is at `to`. What was at `from` must be durable already.
///
/// # Errors
/// When any of it fails.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    Kernel.rename_over(from, to)?;
    Durable(&Kernel).sync_both(to, from)
}

/// Reserves room: a file of `bytes` that is there to be removed when the disk is full. One that cannot be had leaves nothing.
///
/// # Errors
/// When there is not so much room, or on any I/O error.
pub fn reserve(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        let _ = remove(path);
        return Err(error.into());
    }
    crash_point(format_args!("reserved {}", path.display()));
    file.sync_all()?;
    sync_parent(path)
}

/// Removes a file if it is there, and what a [`replace`] of it that was cut off has left beside it.
///
/// # Errors
/// When it is there and cannot be removed, or the directory cannot be synced.
pub fn remove(path: &Path) -> io::Result<()> {
    Durable(&Kernel).remove(path)
}

/// Removes what a [`replace`] or [`replace_links`] of `path` that was cut off has left beside it; `path` stays as it is.
///
/// # Errors
/// When something is there and cannot be removed, or the directory cannot be synced.
pub fn remove_cut_off(path: &Path) -> io::Result<()> {
    match Kernel.remove_file(&beside(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_parent(path)),
    }
}

/// Whether a file of this name is one that a replace writes before it renames it.
#[must_use]
pub fn is_cut_off(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(NEW)
}

/// Removes a directory with all that is in it, if it is there.
///
/// # Errors
/// When it is there and cannot be removed, or the directory that holds it cannot be synced.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Durable(&Kernel).sync_found(path),
        removed => {
            crash_point(format_args!("removed {}", path.display()));
            removed.and_then(|()| sync_parent(path))
        }
    }
}

/// Removes a directory if it is empty; what others have put there stays, and is no error.
///
/// # Errors
/// When it was removed and the directory that holds it cannot be synced.
pub fn remove_if_empty(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Ok(()) => sync_parent(path),
        Err(_) => Ok(()),
    }
}

/// Creates a directory and its missing ancestors, each with `mode`, and makes their names durable.
///
/// # Errors
/// When one cannot be created, or something else has its name.
pub fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    Durable(&Kernel).create_dir(path, mode)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    Kernel.sync_dir(path)
}

/// Makes the name `path` durable: syncs the directory that holds it.
///
/// # Errors
/// When that directory cannot be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    Durable(&Kernel).sync_parent(path)
}

/// The same operations on any disk; the functions of this module are those on this machine's.
#[derive(Debug)]
pub struct Durable<'a, D>(pub &'a D);

impl<D: Disk> Durable<'_, D> {
    /// As [`replace`].
    ///
    /// # Errors
    /// The same.
    pub fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let temporary = beside(path);
        let _ = self.0.remove_file(&temporary);
        let written = (|| {
            let mut file = self.0.create_new(&temporary)?;
            file.write_all(bytes)?;
            file.set_mode(mode)?;
            if !mutated(Mutant::SkipReplaceFsync) {
                file.sync_all()?;
            }
            self.0.rename_over(&temporary, path)
        })();
        if written.is_err() {
            let _ = self.0.remove_file(&temporary);
        }
        written?;
        if mutated(Mutant::SkipReplaceDirFsync) { Ok(()) } else { self.sync_parent(path) }
    }

    /// As [`replace_links`].
    ///
    /// # Errors
    /// The same.
    pub fn replace_links(&self, links: &[(PathBuf, &Path)]) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for (path, target) in links {
            let temporary = beside(path);
            let _ = self.0.remove_file(&temporary);
            self.0.symlink(target, &temporary)?;
            if let Err(error) = self.0.rename_over(&temporary, path) {
                let _ = self.0.remove_file(&temporary);
                return Err(error);
            }
            directories.insert(directory_of(path));
        }
        directories.into_iter().try_for_each(|directory| self.0.sync_dir(directory))
    }

    /// As [`exchange`].
    ///
    /// # Errors
    /// The same.
    pub fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        self.0.exchange(a, b)?;
        if mutated(Mutant::SkipExchangeFsync) { Ok(()) } else { self.sync_both(a, b) }
    }

    /// As [`rename`].
    ///
    /// # Errors
    /// The same.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)?;
        self.sync_both(to, from)
    }

    /// As [`remove`].
    ///
    /// # Errors
    /// The same.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let _ = self.0.remove_file(&beside(path));
        match self.0.remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.sync_found(path),
            removed => removed.and_then(|()| self.sync_parent(path)),
        }
    }

    /// As [`create_dir`].
    ///
    /// # Errors
    /// The same.
    pub fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        if self.0.is_dir(path) {
            return self.sync_found(path);
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_dir(parent, mode)?;
        }
        match self.0.make_dir(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.0.is_dir(path) => {}
            created => created?,
        }
        self.sync_parent(path)
    }

    /// As [`sync_parent`].
    ///
    /// # Errors
    /// The same.
    pub fn sync_parent(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(directory_of(path))
    }

    /// What is as it should be may be so only in the cache: whoever made it so was killed before the sync. A directory that is
    /// not there, or that we may not open, was not changed by us.
    fn sync_found(&self, path: &Path) -> io::Result<()> {
        match self.sync_parent(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(()),
            synced => synced,
        }
    }

    fn sync_both(&self, a: &Path, b: &Path) -> io::Result<()> {
        self.sync_parent(a)?;
        if directory_of(a) == directory_of(b) { Ok(()) } else { self.sync_parent(b) }
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

const NEW: &str = ".belay-new";

/// The temporary name: hidden, and the same for every try, so that a crash leaves at most one.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(NEW);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_exact_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fence");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", 0o755).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
        assert!(replace(&dir.path().join("no/such"), b"", 0o600).is_err());
    }

    #[test]
    fn what_a_replace_that_was_cut_off_has_left_goes_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::write(at("drop-in"), "x").unwrap();
        fs::write(at(".drop-in.belay-new"), "y").unwrap();
        remove_cut_off(&at("drop-in")).unwrap();
        remove_cut_off(&at("drop-in")).unwrap();
        assert!(at("drop-in").exists() && !at(".drop-in.belay-new").exists());
        fs::write(at(".drop-in.belay-new"), "y").unwrap();
        remove(&at("drop-in")).unwrap();
        // Also where it was cut off before it had made the path.
        fs::write(at(".drop-in.belay-new"), "y").unwrap();
        remove(&at("drop-in")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(is_cut_off(".drop-in.belay-new") && !is_cut_off("drop-in.belay-new") && !is_cut_off(".drop-in"));
    }

    #[test]
    fn a_reserve_is_had_whole_or_not_at_all_and_trees_go_with_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        reserve(&at("r"), 4096).unwrap();
        assert_eq!(fs::metadata(at("r")).unwrap().len(), 4096);
        assert!(reserve(&at("much"), u64::MAX / 4).is_err());
        assert!(!at("much").exists(), "nothing is left of what could not be had");
        create_dir(&at("a/b"), 0o700).unwrap();
        fs::write(at("a/b/c"), "x").unwrap();
        remove_if_empty(&at("a/b")).unwrap();
        assert!(at("a/b/c").exists(), "what others put there stays");
        rename_over(&at("a/b/c"), &at("r")).unwrap();
        assert_eq!(fs::read(at("r")).unwrap(), b"x");
        remove_if_empty(&at("a/b")).unwrap();
        assert!(!at("a/b").exists());
        remove_tree(&at("a")).unwrap();
        remove_tree(&at("a")).unwrap();
        assert!(!at("a").exists());
    }

    #[test]
    fn an_exchange_done_twice_undoes_itself_and_a_rename_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::create_dir(&b).unwrap();
        exchange(&a, &b).unwrap();
        assert!(a.is_dir() && b.is_file());
        assert!(rename(&b, &a).is_err());
        exchange(&a, &b).unwrap();
        assert!(a.is_file() && b.is_dir());
        assert!(exchange(&a, &dir.path().join("c")).is_err());
        remove(&a).unwrap();
        remove(&a).unwrap();
    }
}
