//! What a machine's disk holds, in the page cache and beneath it: POSIX's promises, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::Dice;

mod content;

use content::Content;

pub(crate) type Inode = usize;

/// What can go wrong at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskFault {
    /// The calling process is killed in it.
    Kill,
    /// The machine loses power in it.
    PowerCut,
    /// The call fails with EIO; of a write a part is done.
    Io,
    /// The disk is full, until somebody makes room or some calls later.
    Full,
    /// An fsync fails and drops the pages ("fsyncgate"): a later one succeeds and says nothing of them.
    Fsync,
}

/// Whose calls are counted for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Coordinator,
    Helper,
    /// K3s, and the simulation itself: nothing is armed for them.
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Armed {
    pub fault: DiskFault,
    pub group: Group,
    pub left: u32,
}

#[derive(Clone, Debug)]
enum Thing {
    File(Content),
    Dir { cached: BTreeMap<String, Inode>, durable: BTreeMap<String, Inode>, pending: Vec<Change> },
}

/// One change of a directory, atomic by itself.
#[derive(Clone, Debug)]
enum Change {
    Link(String, Inode),
    Unlink(String),
    Rename(String, String, Inode),
    Exchange(String, String),
}

/// The disk of one machine.
#[derive(Clone, Debug)]
pub struct Platter {
    things: Vec<Thing>,
    pub(crate) armed: Option<Armed>,
    pub(crate) full_for: u32,
    /// Faults that have happened since they were last asked for.
    pub(crate) happened: Vec<DiskFault>,
    pub(crate) locks: BTreeSet<String>,
    pub(crate) dice: Dice,
    pub(crate) power: bool,
    /// How often the power was cut.
    pub(crate) epoch: u64,
}

const ROOT: Inode = 0;

pub(crate) fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Platter {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let root = Thing::Dir { cached: BTreeMap::new(), durable: BTreeMap::new(), pending: Vec::new() };
        let dice = Dice::new(seed);
        Self {
            things: vec![root],
            armed: None,
            full_for: 0,
            happened: Vec::new(),
            locks: BTreeSet::new(),
            dice,
            power: true,
            epoch: 0,
        }
    }

    fn names(&self, dir: Inode) -> Option<&BTreeMap<String, Inode>> {
        match self.things.get(dir) {
            Some(Thing::Dir { cached, .. }) => Some(cached),
            _ => None,
        }
    }

    pub(crate) fn find(&self, path: &Path) -> Option<Inode> {
        let mut at = ROOT;
        for part in path.iter().filter(|part| *part != "/") {
            at = *self.names(at)?.get(part.to_str()?)?;
        }
        Some(at)
    }

    fn parent(&self, path: &Path) -> io::Result<(Inode, String)> {
        let dir = path.parent().and_then(|parent| self.find(parent)).ok_or_else(not_found)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(not_found)?;
        Ok((dir, name.to_owned()))
    }

    fn change(&mut self, dir: Inode, change: Change) {
        if let Some(Thing::Dir { cached, pending, .. }) = self.things.get_mut(dir) {
            apply(cached, &change);
            pending.push(change);
        }
    }

    pub(crate) fn is_dir(&self, path: &Path) -> bool {
        self.find(path).is_some_and(|inode| self.names(inode).is_some())
    }

    pub(crate) fn list(&self, path: &Path) -> Vec<String> {
        let names = self.find(path).and_then(|inode| self.names(inode));
        names.map(|names| names.keys().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<&[u8]> {
        match self.find(path).and_then(|inode| self.things.get(inode)) {
            Some(Thing::File(content)) => Ok(&content.cached),
            _ => Err(not_found()),
        }
    }

    pub(crate) fn make(&mut self, path: &Path, dir: bool) -> io::Result<Inode> {
        let (parent, name) = self.parent(path)?;
        if self.names(parent).is_none_or(|names| names.contains_key(&name)) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        self.things.push(match dir {
            true => Thing::Dir { cached: BTreeMap::new(), durable: BTreeMap::new(), pending: Vec::new() },
            false => Thing::File(Content::default()),
        });
        let inode = self.things.len() - 1;
        self.change(parent, Change::Link(name, inode));
        Ok(inode)
    }

    pub(crate) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        if !self.names(parent).is_some_and(|names| names.contains_key(&name)) {
            return Err(not_found());
        }
        self.change(parent, Change::Unlink(name));
        Ok(())
    }

    /// Within one directory, which is all that Belay asks for.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        let ((parent, from), (_, to)) = (self.parent(from)?, self.parent(to)?);
        let names = self.names(parent).ok_or_else(not_found)?;
        let inode = *names.get(&from).ok_or_else(not_found)?;
        if !replace && names.contains_key(&to) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        self.change(parent, Change::Rename(from, to, inode));
        Ok(())
    }

    pub(crate) fn exchange(&mut self, a: &Path, b: &Path) -> io::Result<()> {
        let ((parent, a), (_, b)) = (self.parent(a)?, self.parent(b)?);
        let names = self.names(parent).ok_or_else(not_found)?;
        if !names.contains_key(&a) || !names.contains_key(&b) {
            return Err(not_found());
        }
        self.change(parent, Change::Exchange(a, b));
        Ok(())
    }

    pub(crate) fn write(&mut self, inode: Inode, bytes: &[u8]) {
        if let Some(Thing::File(content)) = self.things.get_mut(inode) {
            content.cached.extend_from_slice(bytes);
            content.dirty = true;
        }
    }

    /// Every page is dirty again, also those that a failed fsync had dropped.
    pub(crate) fn write_again(&mut self, path: &Path, bytes: &[u8]) -> io::Result<Inode> {
        let inode = self.find(path).ok_or_else(not_found)?;
        if let Some(Thing::File(content)) = self.things.get_mut(inode) {
            let rest = content.cached.split_off(bytes.len().min(content.cached.len()));
            content.cached = [bytes, rest.as_slice()].concat();
            content.dropped.clear();
            content.dirty = true;
        }
        Ok(inode)
    }

    pub(crate) fn cut(&mut self, inode: Inode, length: usize) {
        if let Some(Thing::File(content)) = self.things.get_mut(inode) {
            content.cached.truncate(length);
            content.dirty = true;
        }
    }

    pub(crate) fn sync_file(&mut self, inode: Inode) {
        if let Some(Thing::File(content)) = self.things.get_mut(inode) {
            content.sync();
        }
    }

    /// The pages are marked clean, and were not written.
    pub(crate) fn drop_pages(&mut self, inode: Inode) {
        match self.things.get_mut(inode) {
            Some(Thing::File(content)) => {
                let from = content.durable.len().min(content.cached.len());
                if content.dirty && from < content.cached.len() {
                    content.dropped.push((from, content.cached.len()));
                }
                content.dirty = false;
            }
            // Names stay in the cache, and reach the disk with the next sync that succeeds.
            Some(Thing::Dir { .. }) | None => {}
        }
    }

    pub(crate) fn sync_names(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.find(path).ok_or_else(not_found)?;
        if let Some(Thing::Dir { durable, pending, .. }) = self.things.get_mut(inode) {
            for change in pending.drain(..) {
                apply(durable, &change);
            }
        }
        Ok(())
    }

    /// Whether a path, what it names and every directory above it survive a power cut as they are now. A path that is not
    /// there must not come back.
    #[must_use]
    pub fn is_durable(&self, path: &Path) -> bool {
        let mut at = ROOT;
        for part in path.iter().filter(|part| *part != "/") {
            let (Some(Thing::Dir { cached, durable, .. }), Some(part)) = (self.things.get(at), part.to_str()) else {
                return true;
            };
            match (cached.get(part), durable.get(part)) {
                (Some(now), Some(then)) if now == then => at = *now,
                (None, None) => return true,
                _ => return false,
            }
        }
        match self.things.get(at) {
            Some(Thing::File(content)) => !content.dirty && content.dropped.is_empty(),
            _ => true,
        }
    }

    /// What is left after the power came back. Every file and directory decides for itself how much of what was not
    /// synced has reached the disk, and in which order.
    pub fn lose_power(&mut self) {
        let dice = &mut self.dice;
        for thing in &mut self.things {
            match thing {
                Thing::File(content) => content.lose(dice),
                Thing::Dir { cached, durable, pending } => {
                    let in_order = dice.once_in(2);
                    let until = dice.place(pending.len() + 1);
                    for (place, change) in pending.drain(..).enumerate() {
                        if if in_order { place < until } else { dice.once_in(2) } {
                            apply(durable, &change);
                        }
                    }
                    cached.clone_from(durable);
                }
            }
        }
        self.locks.clear();
        (self.armed, self.full_for, self.power) = (None, 0, false);
        self.epoch += 1;
    }

    pub fn restore_power(&mut self) {
        self.power = true;
    }

    /// The next fsync of such a process fails, and drops its pages.
    pub fn fail_next_sync(&mut self, group: Group) {
        self.armed = Some(Armed { fault: DiskFault::Fsync, group, left: 0 });
    }

    /// Changes one byte of a file at rest, beneath everything; `false` when there is none.
    pub(crate) fn flip(&mut self, path: &Path, at: usize, mask: u8) -> bool {
        let Some(Thing::File(content)) = self.find(path).and_then(|inode| self.things.get_mut(inode)) else {
            return false;
        };
        for bytes in [&mut content.cached, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        at < content.cached.len()
    }

    pub(crate) fn overwrite(&mut self, path: &Path, bytes: Vec<u8>) {
        if let Some(Thing::File(content)) = self.find(path).and_then(|inode| self.things.get_mut(inode)) {
            (content.cached, content.durable) = (bytes.clone(), bytes);
        }
    }
}

fn apply(names: &mut BTreeMap<String, Inode>, change: &Change) {
    match change {
        Change::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Change::Unlink(name) => {
            names.remove(name);
        }
        Change::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        Change::Exchange(a, b) => {
            if let (Some(one), Some(other)) = (names.get(a).copied(), names.get(b).copied()) {
                names.insert(a.clone(), other);
                names.insert(b.clone(), one);
            }
        }
    }
}
