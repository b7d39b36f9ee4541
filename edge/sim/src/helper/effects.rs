//! The effects of the steps on the simulated node, through the real durable functions.

use std::io;
use std::path::{Path, PathBuf};

use belay_engine::{Fault, FaultKind};
use belay_facts::{Mutant, mutated};
use belay_journal::{Disk as _, DiskFile as _, Durable};

use super::{Helper, fault, hold, on_disk};
use crate::datastore::Datastore;
use crate::node_run::{Kept, Op, Proof};
use crate::world::Version;
use crate::{Invariant, places};

impl Helper<'_> {
    pub(super) fn act(&mut self, op: Op) -> Result<Proof, Fault> {
        // The work itself takes a while.
        let longest = if self.world.dice.once_in(4) { self.world.longest } else { 20_000 };
        let takes = self.world.dice.below(longest);
        self.world.advance_quietly(takes);
        match op {
            Op::Fence => self.fence(),
            Op::Stage => {
                self.write_new(places::SLOT, places::NEW).map_err(|error| on_disk(&error))?;
                Ok(Proof::Staged)
            }
            Op::Backup => self.back_up(),
            Op::ProveBackup => {
                let receipt = self.snapshot(places::BACKUP).map(|data| data.revision);
                let revision = receipt.ok_or_else(|| fault(FaultKind::Failed, "the stored backup does not open"))?;
                let text = format!("{{\"revision\":{revision}}}");
                let receipt = Path::new(places::RECEIPT);
                Durable(&self.disk).replace(receipt, text.as_bytes(), 0o600).map_err(|error| on_disk(&error))?;
                Ok(Proof::Proven)
            }
            Op::Rebuild => self.rebuild(),
            Op::ArmGuard { lease } => {
                self.arm(lease)?;
                Ok(Proof::Armed { lease })
            }
            Op::Stop => self.stop(),
            Op::Keep => {
                let kept = self.keep();
                if kept.is_err() {
                    for path in [places::PARTIAL, places::KEEP] {
                        let _ = self.remove_tree(path);
                    }
                }
                kept
            }
            Op::Swap => self.swap(),
            Op::Restore { .. } => {
                let plan =
                    self.run.restore_plan.clone().ok_or_else(|| fault(FaultKind::Failed, "nothing was decided"))?;
                self.put_back(&plan)?;
                Ok(Proof::Restored)
            }
            Op::Start => self.start(),
            Op::SwapBack => self.swap_back(),
            Op::PutBack { .. } if self.only_marked() => self.drop_marker().map(|()| Proof::PutBack),
            Op::PutBack { .. } => {
                let plan = self.run.put_back_plan.clone();
                let plan = plan.ok_or_else(|| fault(FaultKind::Failed, "nothing was decided"))?;
                self.put_back(&plan)?;
                Ok(Proof::PutBack)
            }
            Op::Release { commit } => self.release(commit),
            Op::Vouch | Op::Turn { .. } | Op::StandDown => Err(fault(FaultKind::Failed, "this is a note")),
        }
    }

    pub(super) fn write_new(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        Durable(&self.disk).remove(path)?;
        let mut file = self.disk.create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Durable(&self.disk).sync_parent(path)
    }

    fn fence(&mut self) -> Result<Proof, Fault> {
        hold(&self.disk, (self.generation, self.channel))?;
        self.install_interlock()?;
        if self.run.turned.is_none() {
            let _ = self.write_new(places::SECOND_RESERVE, b"");
        }
        Ok(Proof::Fenced { generation: self.generation })
    }

    pub(super) fn install_interlock(&mut self) -> Result<(), Fault> {
        for path in [places::INTERLOCK, places::BOOT_UNIT] {
            if !self.world.exists(path) {
                let written = Durable(&self.disk).replace(Path::new(path), b"[Unit]\n", 0o644);
                written.map_err(|error| on_disk(&error))?;
            }
        }
        Ok(())
    }

    pub(super) fn snapshot(&self, dir: &str) -> Option<Datastore> {
        Datastore::read(&self.world.node.borrow(), Path::new(dir))
    }

    /// A directory with a datastore, complete under its name or not there.
    fn complete(&self, partial: &str, path: &str, files: &[(&str, Vec<u8>)]) -> Result<(), Fault> {
        let made = (|| {
            self.remove_tree(partial)?;
            self.remove_tree(path)?;
            Durable(&self.disk).create_dir(Path::new(partial), 0o700)?;
            for (name, bytes) in files {
                let mut file = self.disk.create_new(&Path::new(partial).join(name))?;
                file.write_all(bytes)?;
                file.sync_all()?;
            }
            self.disk.sync_dir(Path::new(partial))?;
            Durable(&self.disk).rename(Path::new(partial), Path::new(path))
        })();
        made.map_err(|error| on_disk(&error))
    }

    pub(super) fn remove_tree(&self, path: &str) -> io::Result<()> {
        if !self.world.exists(path) {
            let parent = Path::new(path).parent().and_then(Path::to_str);
            return if parent.is_some_and(|dir| self.world.exists(dir)) {
                Durable(&self.disk).sync_parent(Path::new(path))
            } else {
                Ok(())
            };
        }
        let names = self.world.node.borrow().list(Path::new(path));
        for name in names {
            self.disk.remove_file(&Path::new(path).join(name))?;
        }
        self.disk.remove_file(Path::new(path))?;
        Durable(&self.disk).sync_parent(Path::new(path))
    }

    fn back_up(&mut self) -> Result<Proof, Fault> {
        let data = self.world.datastore(places::SERVER);
        let data = data.ok_or_else(|| fault(FaultKind::Failed, "the datastore could not be read"))?;
        let dir = Path::new("/state/backups");
        Durable(&self.disk).create_dir(dir, 0o700).map_err(|error| on_disk(&error))?;
        self.complete(places::BACKUP_PARTIAL, places::BACKUP, &[("db", data.snapshot())])?;
        Ok(Proof::BackedUp)
    }

    fn rebuild(&mut self) -> Result<Proof, Fault> {
        let data = self.snapshot(places::EARLIER);
        let data = data.ok_or_else(|| fault(FaultKind::Failed, "the earlier state could not be read"))?;
        let files = [("db", data.snapshot()), ("wal", Vec::new())];
        self.complete(places::REBUILT_PARTIAL, places::REBUILT, &files)?;
        let inode = self.world.inode(places::REBUILT).unwrap_or_default();
        Ok(Proof::Rebuilt { inode, objects: data.objects.into_iter().collect(), revision: data.revision })
    }

    fn stop(&mut self) -> Result<Proof, Fault> {
        let (ended, boot) = (self.world.shown, self.world.boot);
        let forward = self.run.turned.is_none();
        if forward && self.orphaned {
            return Err(fault(FaultKind::Failed, "the coordinator went away before the unit was stopped"));
        }
        self.beat()?;
        self.world.stops += 1;
        self.world.say(|| "K3s is stopped".to_owned());
        self.world.k3s = None;
        self.beat()?;
        Ok(Proof::Stopped { invocation: ended, boot })
    }

    /// Whether the timer looks now, and will after a boot.
    pub(super) fn is_armed(&self) -> bool {
        self.world.exists(places::GUARD) && self.world.lease.is_some()
    }

    pub(super) fn arm(&mut self, lease: u64) -> Result<(), Fault> {
        let written = Durable(&self.disk).replace(Path::new(places::GUARD), b"[Timer]\n", 0o644);
        written.map_err(|error| on_disk(&error))?;
        self.beat()?;
        self.world.lease_length = lease;
        self.world.arm();
        self.beat()
    }

    fn keep(&mut self) -> Result<Proof, Fault> {
        let broken = || fault(FaultKind::Failed, "the datastore could not be read");
        let read = |name: &str| self.disk.read(&Path::new(places::SERVER).join(name));
        let (mut db, log) = (read("db").map_err(|e| on_disk(&e))?, read("wal").map_err(|e| on_disk(&e))?);
        let mut log = if mutated(Mutant::LeaveStaleWal) { Vec::new() } else { log };
        if mutated(Mutant::BackupWithoutKeep) {
            (db, log) = (self.snapshot(places::BACKUP).ok_or_else(broken)?.snapshot(), Vec::new());
        }
        self.complete(places::PARTIAL, places::KEEP, &[("db", db), ("wal", log)])?;
        // Who has this bug takes the backup for what is live.
        let of = if mutated(Mutant::BackupWithoutKeep) { places::SERVER } else { places::KEEP };
        let data = self.world.datastore(of).ok_or_else(broken)?;
        let (Some(server), Some(copy)) = (self.world.inode(places::SERVER), self.world.inode(places::KEEP)) else {
            return Err(fault(FaultKind::Failed, "the copy vanished"));
        };
        let invocation = self.run.stopped.map_or(0, |(ended, _)| ended);
        let kept = Kept {
            server,
            copy,
            boot: self.world.boot,
            invocation,
            revision: data.revision,
            objects: data.objects.len(),
            schema: data.schema,
        };
        if self.world.k3s.is_some() || !self.marked(places::SERVER, &kept) && !mutated(Mutant::LeaveStaleWal) {
            return Err(fault(FaultKind::Stale, "the datastore was written while it was copied"));
        }
        Ok(Proof::Kept(kept))
    }

    pub(super) fn exchange_binary(&self) -> Result<(), Fault> {
        let (slot, path) = (Path::new(places::SLOT), Path::new(places::BINARY));
        Durable(&self.disk).exchange(slot, path).map_err(|error| on_disk(&error))
    }

    pub(super) fn set_link(&self, to: &str) -> Result<(), Fault> {
        if self.link() == to {
            return Ok(());
        }
        let link = [(PathBuf::from(places::LINK), Path::new(to))];
        Durable(&self.disk).replace_links(&link).map_err(|error| on_disk(&error))
    }

    fn exchange_under_marker(&mut self) -> Result<(), Fault> {
        let kept = self.run.kept.clone().ok_or_else(|| fault(FaultKind::Refused, "there is no stopped copy"))?;
        self.set_marker()?;
        self.still_true(&kept).map_err(|why| fault(FaultKind::Stale, why))?;
        self.exchange_binary()
    }

    fn swap(&mut self) -> Result<Proof, Fault> {
        if self.world.at_path(places::BINARY) == Some(Version::Old) {
            if self.run.kept.is_none() {
                self.world.violate(Invariant::WayBackStays, "a swap without a stopped copy");
            }
            let exchanged = self.exchange_under_marker();
            self.drop_marker()?;
            exchanged?;
        } else {
            self.secure_parent(places::BINARY)?;
            self.drop_marker()?;
        }
        self.set_link("new")?;
        Ok(Proof::Swapped)
    }

    fn start(&mut self) -> Result<Proof, Fault> {
        self.beat()?;
        let started = self.world.start_k3s();
        self.beat()?;
        if !started {
            return Err(fault(FaultKind::Failed, "the unit did not start"));
        }
        if mutated(Mutant::DropKeepEarly) && self.run.expects_new() {
            let _ = self.remove_tree(places::KEEP);
        }
        Ok(Proof::Started { invocation: self.world.shown })
    }

    fn release(&mut self, commit: bool) -> Result<Proof, Fault> {
        let path = self.world.at_path(places::BINARY);
        let committed = match self.run.rebuilt {
            Some(_) => self.run.restored && !self.run.put_back,
            None => path == Some(Version::New),
        };
        if !commit && (!committed || self.run.vouched) {
            Durable(&self.disk).remove(Path::new(places::SLOT)).map_err(|error| on_disk(&error))?;
            if self.run.put_back_plan.is_none() && self.world.inode(places::KEEP) != self.world.inode(places::SERVER) {
                self.remove_tree(places::KEEP).map_err(|error| on_disk(&error))?;
            }
        }
        for path in [places::REBUILT, places::REBUILT_PARTIAL, places::PARTIAL] {
            self.remove_tree(path).map_err(|error| on_disk(&error))?;
        }
        let guard = (!(commit && mutated(Mutant::CommitLeavesGuard))).then_some(places::GUARD);
        for path in guard.into_iter().chain([places::BOOT_UNIT, places::INTERLOCK, places::SECOND_RESERVE]) {
            Durable(&self.disk).remove(Path::new(path)).map_err(|error| on_disk(&error))?;
        }
        if guard.is_some() {
            self.world.lease = None;
        }
        self.end(committed)?;
        Ok(Proof::Released)
    }
}

impl crate::World {
    /// Time inside a step: nobody else acts in it but clients.
    pub(crate) fn advance_quietly(&mut self, milliseconds: u64) {
        let late = std::mem::take(&mut self.late);
        let lease = self.lease.take();
        self.advance(milliseconds);
        (self.late, self.lease) = (late, lease);
    }
}
