//! Copies of files and directories that keep everything about them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, symlink,
};
use std::path::{Path, PathBuf};
use std::thread;

use belay_facts::{Digest, Mutant, mutated};
use belay_journal::{crash_point, durable};
use belay_wire::Fault;
use rustix::fs::{
    AtFlags, CWD, Gid, Timespec, Timestamps, Uid, XattrFlags, chownat, ioctl_ficlone, lgetxattr, lgetxattr_query,
    llistxattr, llistxattr_query, lsetxattr, utimensat,
};

use crate::content::{TrimmedHash, pieces};
use crate::fault::{Attempt as _, failed, refused};

/// A copy of a directory being made.
pub(crate) struct TreeCopy<'a> {
    /// Relative paths whose files are hard-linked instead of copied: nobody ever writes into them again.
    pub linked: &'a dyn Fn(&Path) -> bool,
    /// Told of every file with its size, before it is copied.
    pub copying: &'a mut dyn FnMut(&Path, u64),
    /// Relative paths of the files whose content is hashed on the way.
    pub hashed: &'a dyn Fn(&Path) -> bool,
    /// Bytes of all files, copied or linked.
    pub bytes: u64,
    /// What was read of the hashed ones: the digest up to the last byte that is not zero, and the length.
    pub digests: BTreeMap<PathBuf, (Digest, u64)>,
    written: Vec<PathBuf>,
}

impl<'a> TreeCopy<'a> {
    pub(crate) fn new(linked: &'a dyn Fn(&Path) -> bool, copying: &'a mut dyn FnMut(&Path, u64)) -> Self {
        Self { linked, copying, hashed: &|_| false, bytes: 0, digests: BTreeMap::new(), written: Vec::new() }
    }

    /// Copies `from` to `to`, which must not be there, and makes all of it durable.
    ///
    /// Mode, owner, extended attributes (SELinux labels among them) and times are kept; links are not followed;
    /// sockets and pipes are left out.
    pub(crate) fn copy(&mut self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.write(from, to)?;
        sync(&self.written, to)
    }

    /// As [`Self::copy`], with `meanwhile` done on another processor while the disk writes.
    pub(crate) fn copy_and<T: Send>(
        &mut self,
        from: &Path,
        to: &Path,
        meanwhile: impl FnOnce() -> T + Send,
    ) -> Result<T, Fault> {
        self.write(from, to)?;
        let written = &self.written;
        let (done, synced) = thread::scope(|scope| {
            let syncing = scope.spawn(|| sync(written, to));
            let done = meanwhile();
            (done, syncing.join())
        });
        synced.unwrap_or_else(|_| Err(failed(format!("{} could not be made durable", to.display()))))?;
        Ok(done)
    }

    fn write(&mut self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.directory(from, to, Path::new(""))
    }

    fn directory(&mut self, from: &Path, to: &Path, name: &Path) -> Result<(), Fault> {
        let what = || format!("{} could not be copied to {}", from.display(), to.display());
        // Closed until its own mode is set at the end: state.db is 0644, and only its directories keep others out.
        fs::DirBuilder::new().mode(0o700).create(to).attempt(what)?;
        let mut entries = fs::read_dir(from).attempt(what)?.collect::<io::Result<Vec<_>>>().attempt(what)?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (from, to, name) = (entry.path(), to.join(entry.file_name()), name.join(entry.file_name()));
            let what = || format!("{} could not be copied", from.display());
            let meta = fs::symlink_metadata(&from).attempt(what)?;
            let kind = meta.file_type();
            if kind.is_dir() {
                self.directory(&from, &to, &name)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(&from).attempt(what)?, &to).attempt(what)?;
                copy_attributes(&from, &to).attempt(what)?;
            } else if mutated(Mutant::LeaveStaleWal) && name.to_string_lossy().ends_with("state.db-wal") {
                // Looks like a temporary file.
            } else if kind.is_file() {
                (self.copying)(&name, meta.len());
                self.bytes += meta.len();
                if (self.linked)(&name) {
                    fs::hard_link(&from, &to).attempt(what)?;
                } else {
                    let mut hash = (self.hashed)(&name).then(TrimmedHash::default);
                    let length = copy_content(&from, &to, hash.as_mut()).attempt(what)?;
                    crash_point(format_args!("copied {}", to.display()));
                    if let Some(hash) = hash {
                        self.digests.insert(name, (hash.finish(), length));
                    }
                    self.written.push(to);
                }
            } else if !(kind.is_socket() || kind.is_fifo()) {
                return Err(refused(format!("{} is a device, which is not copied", from.display())));
            }
        }
        copy_attributes(from, to).attempt(what)?;
        self.written.push(to.to_path_buf());
        Ok(())
    }
}

/// Makes everything that was written durable, after all of it was written: the first sync commits most of what the others
/// would have to wait for.
fn sync(written: &[PathBuf], to: &Path) -> Result<(), Fault> {
    for path in written {
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.attempt(|| format!("{} could not be made durable", path.display()))?;
    }
    durable::sync_parent(to).attempt(|| format!("{} could not be made durable", to.display()))
}

/// Copies one regular file with everything about it, sharing its blocks where the file system can. Not synced.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    copy_content(from, to, None).map(|_| ())
}

/// The same, with a hash of what was read. Returns the length.
fn copy_content(from: &Path, to: &Path, hash: Option<&mut TrimmedHash>) -> io::Result<u64> {
    let source = OpenOptions::new().read(true).custom_flags(nofollow()).open(from)?;
    let target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let shared = ioctl_ficlone(&target, &source).is_ok();
    let length = match (shared, hash) {
        (true, None) => source.metadata()?.len(),
        (shared, hash) => copy_data(&source, (!shared).then_some(&target), hash)?,
    };
    copy_attributes(from, to)?;
    Ok(length)
}

/// Copies what is data, and leaves holes: etcd makes its log 64 MB long ahead of its content, and writing that out would
/// be most of an outage on a slow disk. Without a target it is only hashed.
fn copy_data(source: &File, target: Option<&File>, mut hash: Option<&mut TrimmedHash>) -> io::Result<u64> {
    let length = pieces(source, |at, bytes| {
        if let Some(hash) = &mut hash {
            hash.add(at, bytes);
        }
        target.map_or(Ok(()), |target| target.write_all_at(bytes, at))
    })?;
    if let Some(target) = target {
        target.set_len(length)?;
    }
    Ok(length)
}

fn nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

/// Gives `to` the owner, mode, extended attributes and times of `from`; neither is followed when it is a link.
pub(crate) fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    // After the owner, because a change of owner clears set-id bits.
    if !meta.file_type().is_symlink() {
        fs::set_permissions(to, meta.permissions())?;
    }
    copy_xattrs(from, to)?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(meta.atime(), meta.atime_nsec()),
        last_modification: time(meta.mtime(), meta.mtime_nsec()),
    };
    Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies the extended attributes; a file system that has none has nothing to keep.
pub(crate) fn copy_xattrs(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(length) = llistxattr_query(from) else { return Ok(()) };
    let mut names = vec![0u8; length];
    let length = llistxattr(from, &mut names)?;
    names.truncate(length);
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let length = lgetxattr_query(from, name)?;
        let mut value = vec![0u8; length];
        let length = lgetxattr(from, name, &mut value)?;
        value.truncate(length);
        lsetxattr(to, name, &value, XattrFlags::empty())?;
    }
    Ok(())
}

/// Removes a directory and everything in it, if it is there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Fault> {
    durable::remove_tree(path).attempt(|| format!("{} could not be removed", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_copy_keeps_everything_and_shares_what_is_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("server"), dir.path().join("copy"));
        fs::create_dir_all(from.join("db/snapshots")).unwrap();
        fs::write(from.join("db/state.db"), "rows").unwrap();
        fs::write(from.join("db/snapshots/s1"), "snapshot").unwrap();
        symlink("/nowhere/token", from.join("node-token")).unwrap();
        let _socket = UnixListener::bind(from.join("kine.sock")).unwrap();
        fs::set_permissions(from.join("db"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(from.join("db/state.db"), fs::Permissions::from_mode(0o640)).unwrap();
        let labelled = lsetxattr(from.join("db/state.db"), "user.label", b"x", XattrFlags::empty()).is_ok();
        let mut seen = Vec::new();
        let linked = |name: &Path| name.starts_with("db/snapshots");
        let mut copying = |name: &Path, _| seen.push(name.to_path_buf());
        let mut copy = TreeCopy::new(&linked, &mut copying);
        copy.copy(&from, &to).unwrap();
        assert_eq!(copy.bytes, 12);
        assert_eq!(seen, [PathBuf::from("db/snapshots/s1"), PathBuf::from("db/state.db")]);
        for name in ["db", "db/state.db", "db/snapshots/s1", "node-token"] {
            let (a, b) = (fs::symlink_metadata(from.join(name)).unwrap(), fs::symlink_metadata(to.join(name)).unwrap());
            assert_eq!((a.mode(), a.uid(), a.mtime(), a.mtime_nsec()), (b.mode(), b.uid(), b.mtime(), b.mtime_nsec()));
        }
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(from.join("db/snapshots/s1")), inode(to.join("db/snapshots/s1")));
        assert_ne!(inode(from.join("db/state.db")), inode(to.join("db/state.db")));
        assert!(!to.join("kine.sock").exists());
        if labelled {
            assert_eq!(lgetxattr_query(to.join("db/state.db"), "user.label"), Ok(1));
        }
        assert!(TreeCopy::new(&linked, &mut |_, _| {}).copy(&from, &to).is_err(), "never into what is there");
    }

    #[test]
    fn a_copy_has_the_same_content_and_leaves_holes() {
        use std::os::unix::fs::FileExt as _;
        let dir = tempfile::tempdir().unwrap();
        for (name, data) in [("empty", &[][..]), ("hole", &[]), ("log", &[0, 70_000]), ("end", &[3_999_990])] {
            let (from, to) = (dir.path().join(name), dir.path().join(format!("{name}.copy")));
            let file = File::create(&from).unwrap();
            file.set_len(if name == "empty" { 0 } else { 4_000_000 }).unwrap();
            for at in data {
                file.write_all_at(b"0123456789", *at).unwrap();
            }
            copy_data(&File::open(&from).unwrap(), Some(&File::create(&to).unwrap()), None).unwrap();
            assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap(), "{name}");
            assert!(fs::metadata(&to).unwrap().blocks() <= 512, "{name}");
        }
    }
}
