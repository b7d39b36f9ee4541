//! A disk that remembers every write and every flush: one file in a FUSE file system, under a loop device, under ext4. What
//! ext4 writes into its own journal is recorded like everything else, so a cut image is one that ext4 could have left.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

/// What reached the disk, in its order, and what the run said meanwhile.
#[derive(Clone, Debug)]
pub enum Event {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    /// Everything before it is on the disk when it returns.
    Flush,
    /// An act was acknowledged, and the node's journal had so many records then.
    Acknowledged {
        acts: usize,
        records: u64,
    },
}

#[derive(Default)]
struct Held {
    image: Vec<u8>,
    events: Vec<Event>,
}

/// The recording disk, mounted.
pub struct Disk {
    held: Arc<Mutex<Held>>,
    mount: Mounted,
    _fuse: BackgroundSession,
}

/// An ext4 in a file, mounted; unmounted when it goes.
pub struct Mounted(PathBuf);

/// With the rule off that lets ext4 write a replaced file's content before its name: nobody may need it.
const OPTIONS: &str = "loop,noauto_da_alloc";
const SIZE: u64 = 24 * 1024 * 1024;

impl Mounted {
    pub fn of(image: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        well(Command::new("mount").args(["-t", "ext4", "-o", OPTIONS]).arg(image).arg(at));
        Self(at.to_owned())
    }

    fn sync(&self) {
        rustix::fs::syncfs(std::fs::File::open(&self.0).unwrap()).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(&self.0).output();
        let gone = gone.is_ok_and(|output| output.status.success());
        assert!(gone || std::thread::panicking(), "{} could not be unmounted", self.0.display());
    }
}

fn well(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Disk {
    /// Makes one in `dir`, mounted at `at`.
    pub fn new(dir: &Path, at: &Path) -> Self {
        let file = dir.join("fresh");
        std::fs::File::create(&file).unwrap().set_len(SIZE).unwrap();
        let features = ["-q", "-F", "-b", "4096", "-J", "size=4", "-m", "0"];
        well(Command::new("mkfs.ext4").args(features).args(["-E", "lazy_itable_init=0,nodiscard"]).arg(&file));
        let held = Held { image: std::fs::read(&file).unwrap(), events: Vec::new() };
        let held = Arc::new(Mutex::new(held));
        let fuse = dir.join("fuse");
        std::fs::create_dir_all(&fuse).unwrap();
        let session = fuser::spawn_mount(OneFile(Arc::clone(&held)), &fuse, &Config::default()).unwrap();
        let mount = Mounted::of(&fuse.join("disk"), at);
        Self { held, mount, _fuse: session }
    }

    /// From here on it is recorded; the image as it is now.
    pub fn record(&self) -> Vec<u8> {
        self.mount.sync();
        let mut held = lock(&self.held);
        held.events.clear();
        held.image.clone()
    }

    pub fn acknowledge(&self, acts: usize, records: u64) {
        lock(&self.held).events.push(Event::Acknowledged { acts, records });
    }

    /// Everything, until now.
    pub fn events(&self) -> Vec<Event> {
        self.mount.sync();
        lock(&self.held).events.clone()
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap()
}

struct OneFile(Arc<Mutex<Held>>);

const DISK: INodeNo = INodeNo(2);
const TTL: Duration = Duration::from_secs(3600);

fn attr(ino: INodeNo) -> FileAttr {
    let directory = ino == INodeNo::ROOT;
    FileAttr {
        ino,
        size: if directory { 0 } else { SIZE },
        blocks: SIZE / 512,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if directory { FileType::Directory } else { FileType::RegularFile },
        perm: if directory { 0o700 } else { 0o600 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == "disk" { reply.entry(&TTL, &attr(DISK), Generation(0)) } else { reply.error(Errno::ENOENT) }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &attr(ino));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let held = lock(&self.0);
        let from = usize::try_from(offset).unwrap().min(held.image.len());
        let to = (from + size as usize).min(held.image.len());
        reply.data(&held.image[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut held = lock(&self.0);
        let at = usize::try_from(offset).unwrap();
        held.image[at..at + data.len()].copy_from_slice(data);
        held.events.push(Event::Write { at, bytes: data.to_vec() });
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        lock(&self.0).events.push(Event::Flush);
        reply.ok();
    }

    /// Where blocks shall be zero, zeros are written: then the recording has them.
    fn fallocate(&self, _: &Request, _: INodeNo, _: FileHandle, _: u64, _: u64, _: i32, reply: ReplyEmpty) {
        reply.error(Errno::EOPNOTSUPP);
    }
}
