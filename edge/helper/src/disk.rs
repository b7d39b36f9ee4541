use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use belay_facts::DiskFacts;
use rustix::fs::{CWD, RenameFlags, StatVfsMountFlags, ioctl_ficlone, renameat_with, statvfs};

/// Space and abilities of the file system that holds `path`, or its nearest ancestor that is there.
///
/// `try_out` makes a scratch directory there and removes it at once.
///
/// # Errors
/// When the file system cannot be asked.
pub(crate) fn disk_facts(path: &Path, try_out: bool) -> Result<DiskFacts, rustix::io::Errno> {
    let there = existing(path);
    let stat = statvfs(&there)?;
    let read_only = stat.f_flag.contains(StatVfsMountFlags::RDONLY);
    let device = fs::metadata(&there).map(|meta| meta.dev()).unwrap_or_default();
    let (exchange, reflink) = if try_out && !read_only { abilities(&there) } else { (false, false) };
    Ok(DiskFacts {
        path: there.to_string_lossy().into_owned(),
        device,
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        inodes_free: stat.f_favail,
        read_only,
        no_exec: Some(stat.f_flag.contains(StatVfsMountFlags::NOEXEC)),
        flush: None,
        exchange,
        reflink,
    })
}

fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_path_buf()
}

/// Whether `renameat2(RENAME_EXCHANGE)` and `FICLONE` work in `dir`, by trying them.
fn abilities(dir: &Path) -> (bool, bool) {
    let scratch = dir.join(format!(".belay-try-{}", std::process::id()));
    if fs::DirBuilder::new().mode(0o700).create(&scratch).is_err() {
        return (false, false);
    }
    let (a, b) = (scratch.join("a"), scratch.join("b"));
    let exchange = fs::write(&a, "a").is_ok()
        && fs::write(&b, "b").is_ok()
        && renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok()
        && fs::read(&a).is_ok_and(|content| content == b"b");
    let clone = || Some((File::open(&a).ok()?, File::create(scratch.join("c")).ok()?));
    let reflink = clone().is_some_and(|(from, to)| ioctl_ficlone(&to, &from).is_ok());
    let _ = fs::remove_dir_all(&scratch);
    (exchange, reflink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_behind_and_a_missing_path_means_its_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let facts = disk_facts(&dir.path().join("not/yet/there"), true).unwrap();
        assert_eq!(facts.path, dir.path().to_string_lossy());
        assert_eq!((facts.read_only, facts.no_exec), (false, Some(false)));
        assert!(facts.exchange && facts.total > facts.free && facts.free > 0, "{facts:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
