use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{Disk, DiskFile, Lock, LockError, crash_point};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Disk for Kernel {
    type File = File;
    type Lock = Lock;

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .inspect(|_| crash_point(format_args!("made {}", path.display())))
    }

    fn append_to(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).open(path)
    }

    fn write_again(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).inspect(|()| crash_point(format_args!("removed {}", path.display())))
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        crash_point(format_args!("renaming to {}", to.display()));
        fs::rename(from, to).inspect(|()| crash_point(format_args!("renamed to {}", to.display())))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        crash_point(format_args!("renaming to {}", to.display()));
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
        crash_point(format_args!("renamed to {}", to.display()));
        Ok(())
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        crash_point(format_args!("exchanging {}", b.display()));
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?;
        crash_point(format_args!("exchanged {}", b.display()));
        Ok(())
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        symlink(target, path).inspect(|()| crash_point(format_args!("linked {}", path.display())))
    }

    fn make_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        DirBuilder::new().mode(mode).create(path).inspect(|()| crash_point(format_args!("created {}", path.display())))
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> Result<Lock, LockError> {
        Lock::try_take(path)
    }
}

impl DiskFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes).and_then(|()| self.flush())
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        self.set_permissions(fs::Permissions::from_mode(mode))
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Self::sync_all(self)
    }
}
