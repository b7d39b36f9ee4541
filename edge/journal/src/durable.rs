//! File operations that have happened when they return, also after a power cut.
//!
//! The only place that writes paths of Belay's state. Neither `std` nor `tempfile` syncs the directory, without which
//! a rename may be gone after a power cut although the file's data were synced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::crash_point;

/// Writes `bytes` to `path` so that the path names the old content or the new one, never a part; mode is exact.
///
/// # Errors
/// When any of it fails; a temporary file is removed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path);
    let _ = fs::remove_file(&temporary);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        crash_point(format_args!("wrote beside {}", path.display()));
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    crash_point(format_args!("replaced {}", path.display()));
    sync_parent(path)
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
    let mut directories = BTreeSet::new();
    for (path, target) in links {
        let temporary = beside(path);
        let _ = fs::remove_file(&temporary);
        symlink(target, &temporary)?;
        if let Err(error) = fs::rename(&temporary, path) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        crash_point(format_args!("linked {}", path.display()));
        directories.insert(directory_of(path));
    }
    directories.into_iter().try_for_each(sync_dir)
}

/// Exchanges two paths of one file system at once (`renameat2(RENAME_EXCHANGE)`), files or directories.
///
/// # Errors
/// When one is missing or the file system cannot do it; then nothing was changed.
pub fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    crash_point(format_args!("exchanging {}", b.display()));
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?;
    crash_point(format_args!("exchanged {}", b.display()));
    sync_both(a, b)
}

/// Renames, refusing to replace what is at `to`.
///
/// # Errors
/// When `to` is there, or on any I/O error.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
    crash_point(format_args!("renamed to {}", to.display()));
    sync_both(to, from)
}

fn sync_both(a: &Path, b: &Path) -> io::Result<()> {
    sync_parent(a)?;
    if directory_of(a) == directory_of(b) { Ok(()) } else { sync_parent(b) }
}

/// Removes a file if it is there.
///
/// # Errors
/// When it is there and cannot be removed, or the directory cannot be synced.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => {
            crash_point(format_args!("removed {}", path.display()));
            removed.and_then(|()| sync_parent(path))
        }
    }
}

/// Creates a directory and its missing ancestors, each with `mode`, and makes their names durable.
///
/// # Errors
/// When one cannot be created, or something else has its name.
pub fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent, mode)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created?,
    }
    crash_point(format_args!("created {}", path.display()));
    sync_parent(path)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the name `path` durable: syncs the directory that holds it.
///
/// # Errors
/// When that directory cannot be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync_dir(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The temporary name: hidden, and the same for every try, so that a crash leaves at most one.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".belay-new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
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
