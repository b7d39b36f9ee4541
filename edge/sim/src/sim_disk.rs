use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;

use belay_journal::{Disk, DiskFile, LockError};

use crate::platter::{Inode, not_found};
use crate::{DiskFault, Group, Platter};

/// One process' view of a machine's disk. Once the process is dead, no call of it changes anything.
#[derive(Clone, Debug)]
pub struct SimDisk {
    platter: Rc<RefCell<Platter>>,
    group: Group,
    dead: Rc<Cell<bool>>,
    /// How often the machine had lost power when this process began: none lives longer than that.
    epoch: u64,
}

/// What happens to the call that is about to be made.
enum Fate {
    Done,
    /// A write gets as far as this share of it (of 256), then the process is dead.
    Dies(u8),
    Gone,
    Fails(io::ErrorKind, u8),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Names,
    Sync,
}

impl SimDisk {
    #[must_use]
    pub fn new(platter: Rc<RefCell<Platter>>, group: Group) -> Self {
        let epoch = platter.borrow().epoch;
        Self { platter, group, dead: Rc::default(), epoch }
    }

    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.is_gone(&self.platter.borrow())
    }

    fn is_gone(&self, platter: &Platter) -> bool {
        self.dead.get() || !platter.power || platter.epoch != self.epoch
    }

    /// A moment that is no call to the disk, and at which a process may be killed as at one.
    ///
    /// # Errors
    /// When it was.
    pub fn beat(&self) -> io::Result<()> {
        self.whole(Call::Names, |_| Ok(()))
    }

    pub fn kill(&self) {
        self.dead.set(true);
    }

    #[must_use]
    pub fn platter(&self) -> Rc<RefCell<Platter>> {
        Rc::clone(&self.platter)
    }

    fn fate(&self, call: Call) -> Fate {
        let mut platter = self.platter.borrow_mut();
        if self.is_gone(&platter) {
            return Fate::Gone;
        }
        if call == Call::Read || self.group == Group::Other {
            return Fate::Done;
        }
        let share = u8::try_from(platter.dice.below(256)).unwrap_or(0);
        if platter.full_for > 0 && call == Call::Write {
            platter.full_for -= 1;
            return Fate::Fails(io::ErrorKind::StorageFull, share);
        }
        let Some(armed) = platter.armed.as_mut().filter(|armed| armed.group == self.group) else { return Fate::Done };
        let fits = match armed.fault {
            DiskFault::Full => call == Call::Write,
            DiskFault::Fsync => call == Call::Sync,
            _ => true,
        };
        if !fits {
            return Fate::Done;
        }
        if armed.left > 0 {
            armed.left -= 1;
            return Fate::Done;
        }
        let fault = armed.fault;
        platter.armed = None;
        platter.happened.push(fault);
        match fault {
            DiskFault::Kill => {
                self.dead.set(true);
                Fate::Dies(share)
            }
            DiskFault::PowerCut => Fate::Dies(share),
            DiskFault::Io | DiskFault::Fsync => Fate::Fails(io::ErrorKind::Other, share),
            DiskFault::Full => {
                platter.full_for = 5;
                Fate::Fails(io::ErrorKind::StorageFull, share)
            }
        }
    }

    /// A call that is done as a whole or not at all. Killed in it, either.
    fn whole<T>(&self, call: Call, act: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let fate = self.fate(call);
        let mut platter = self.platter.borrow_mut();
        match fate {
            Fate::Done => act(&mut platter),
            Fate::Gone => Err(gone()),
            Fate::Dies(share) => {
                if share > 127 {
                    let _ = act(&mut platter);
                }
                self.cut_power(&mut platter);
                Err(gone())
            }
            Fate::Fails(kind, _) => Err(io::Error::from(kind)),
        }
    }

    /// A fault that cut the power takes the disk with it, as the call has left it.
    fn cut_power(&self, platter: &mut Platter) {
        if !self.dead.get() {
            platter.lose_power();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("this process is no more")
}

fn part(length: usize, share: u8) -> usize {
    length * usize::from(share) / 256
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.whole(Call::Read, |platter| platter.read(path).map(<[u8]>::to_vec))
    }

    fn create_new(&self, path: &Path) -> io::Result<SimFile> {
        let inode = self.whole(Call::Names, |platter| platter.make(path, false))?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn append_to(&self, path: &Path) -> io::Result<SimFile> {
        let inode = self.whole(Call::Read, |platter| platter.find(path).ok_or_else(not_found))?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn write_again(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let inode = self.whole(Call::Write, |platter| platter.write_again(path, bytes))?;
        SimFile { disk: self.clone(), inode }.sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let reserve = path.to_string_lossy().ends_with("reserve");
        self.whole(Call::Names, |platter| {
            platter.unlink(path)?;
            if reserve {
                platter.full_for = 0;
            }
            Ok(())
        })
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(Call::Names, |platter| platter.rename(from, to, true))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(Call::Names, |platter| platter.rename(from, to, false))
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        self.whole(Call::Names, |platter| platter.exchange(a, b))
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.whole(Call::Names, |platter| {
            let inode = platter.make(path, false)?;
            platter.write(inode, target.to_string_lossy().as_bytes());
            // A link is its name: it is durable with its directory.
            platter.sync_file(inode);
            Ok(())
        })
    }

    fn make_dir(&self, path: &Path, _: u32) -> io::Result<()> {
        self.whole(Call::Names, |platter| platter.make(path, true).map(|_| ()))
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.platter.borrow().is_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let synced = self.whole(Call::Sync, |platter| platter.sync_names(path));
        if synced.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Other) && !self.is_dead() {
            let mut platter = self.platter.borrow_mut();
            if let Some(inode) = platter.find(path) {
                platter.drop_pages(inode);
            }
        }
        synced
    }

    fn lock(&self, path: &Path) -> Result<SimLock, LockError> {
        if self.is_dead() {
            return Err(LockError::Open { path: path.into(), source: gone() });
        }
        let name = path.to_string_lossy().into_owned();
        if !self.platter.borrow_mut().locks.insert(name.clone()) {
            return Err(LockError::Held { path: path.into(), holder: "another".to_owned() });
        }
        Ok(SimLock { platter: Rc::clone(&self.platter), name, epoch: self.epoch })
    }
}

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: Inode,
}

impl DiskFile for SimFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fate = self.disk.fate(Call::Write);
        let mut platter = self.disk.platter.borrow_mut();
        let (share, failed) = match fate {
            Fate::Done => (bytes.len(), None),
            Fate::Gone => return Err(gone()),
            Fate::Dies(share) => (part(bytes.len(), share), Some(gone())),
            Fate::Fails(kind, share) => (part(bytes.len(), share), Some(io::Error::from(kind))),
        };
        platter.write(self.inode, bytes.get(..share).unwrap_or_default());
        match failed {
            None => Ok(()),
            Some(error) => {
                if matches!(fate, Fate::Dies(_)) {
                    self.disk.cut_power(&mut platter);
                }
                Err(error)
            }
        }
    }

    fn set_mode(&mut self, _: u32) -> io::Result<()> {
        if self.disk.is_dead() { Err(gone()) } else { Ok(()) }
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let (inode, length) = (self.inode, usize::try_from(length).unwrap_or(usize::MAX));
        self.disk.whole(Call::Names, |platter| {
            platter.cut(inode, length);
            Ok(())
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let inode = self.inode;
        let synced = self.disk.whole(Call::Sync, |platter| {
            platter.sync_file(inode);
            Ok(())
        });
        if synced.is_err() && !self.disk.is_dead() {
            self.disk.platter.borrow_mut().drop_pages(inode);
        }
        synced
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A lock that ends with its process.
#[derive(Debug)]
pub struct SimLock {
    platter: Rc<RefCell<Platter>>,
    name: String,
    epoch: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut platter = self.platter.borrow_mut();
        if platter.epoch == self.epoch {
            platter.locks.remove(&self.name);
        }
    }
}
