//! Probes and preconditions of the steps, as in the files of `edge/helper/src` that are named after them.

use std::path::Path;

use belay_engine::{Fault, FaultKind};
use belay_facts::{Mutant, mutated};

use super::{Found, Helper, fault};
use crate::node_run::{Before, Kept, NodeEvent, Op, Proof};
use crate::places;
use crate::world::Version;

fn path_is_not_old(world: &crate::World) -> bool {
    world.at_path(places::BINARY) != Some(Version::Old)
}

impl Helper<'_> {
    pub(super) fn probe(&mut self, op: Op) -> Result<Found, Fault> {
        let path = self.world.at_path(places::BINARY);
        Ok(match op {
            Op::Fence => match (self.run.fenced, self.interlocked()) {
                (Some(generation), true) if generation == self.generation => Found::Done(Proof::Fenced { generation }),
                (None, false) => Found::NotDone,
                _ => Found::Partial,
            },
            // After the swap the other binary lies in the slot.
            Op::Stage if self.run.staged && self.run.swap_intended => Found::Done(Proof::Staged),
            Op::Stage if self.run.staged && self.world.at_path(places::SLOT) == Some(Version::New) => {
                Found::Done(Proof::Staged)
            }
            Op::Backup if self.run.backed_up && self.world.exists(places::BACKUP) => Found::Done(Proof::BackedUp),
            Op::ProveBackup if self.run.proven && self.world.exists(places::RECEIPT) => Found::Done(Proof::Proven),
            Op::Rebuild => match self.run.rebuilt.clone() {
                Some((inode, objects, revision)) if self.world.inode(places::REBUILT) == Some(inode) => {
                    Found::Done(Proof::Rebuilt { inode, objects, revision })
                }
                _ => Found::NotDone,
            },
            Op::ArmGuard { lease } => match (self.run.armed == Some(lease), self.is_armed()) {
                (true, true) => Found::Done(Proof::Armed { lease }),
                (false, false) => Found::NotDone,
                _ => Found::Partial,
            },
            Op::Stop if self.world.k3s.is_some() => Found::NotDone,
            Op::Stop => {
                let (boot, shown) = (self.world.boot, self.world.shown);
                let same = self.run.stopped.filter(|(ended, then)| *then == boot && self.same_life(*ended));
                let (invocation, boot) = same.unwrap_or((shown, boot));
                Found::Done(Proof::Stopped { invocation, boot })
            }
            Op::Keep => match self.run.kept.clone() {
                None if self.world.exists(places::KEEP) || self.world.exists(places::PARTIAL) => Found::Partial,
                None => Found::NotDone,
                Some(kept) if self.exchanged_already() && self.world.inode(places::KEEP) == Some(kept.copy) => {
                    Found::Done(Proof::Kept(kept))
                }
                Some(kept) if self.still_true(&kept).is_ok() => Found::Done(Proof::Kept(kept)),
                Some(_) => Found::Partial,
            },
            Op::Swap => match (path, self.world.at_path(places::SLOT)) {
                (Some(Version::Old), _) => Found::NotDone,
                (Some(Version::New), Some(Version::Old))
                    if self.link() == "new"
                        && (self.run.put_back_plan.is_some() || !self.world.exists(places::MARKER)) =>
                {
                    Found::Done(Proof::Swapped)
                }
                _ => Found::Partial,
            },
            Op::Restore { .. } => match self.run.restore_plan.clone() {
                None => Found::NotDone,
                Some(plan) if self.exchanged_whole(&plan) => Found::Done(Proof::Restored),
                Some(_) => Found::Partial,
            },
            Op::Start => self.probe_start(),
            Op::SwapBack => self.probe_swap_back(),
            Op::PutBack { .. } => self.probe_put_back()?,
            Op::Release { .. } if self.run.ended.is_some() => Found::Done(Proof::Released),
            _ => Found::NotDone,
        })
    }

    /// As `exchanged` in the helper's `keep`: an intent alone does not say that anything was.
    fn exchanged_already(&self) -> bool {
        let old = self.world.at_path(places::BINARY) == Some(Version::Old);
        self.run.swap_intended && (self.run.restore_plan.is_some() || !old)
    }

    fn probe_start(&self) -> Found {
        let Some(life) = self.world.k3s else { return Found::NotDone };
        let meant = if self.run.expects_new() { Version::New } else { Version::Old };
        match self.run.start_after {
            Some(before) if before == life.invocation => Found::NotDone,
            _ if life.version != meant => Found::NotDone,
            _ => Found::Done(Proof::Started { invocation: life.invocation }),
        }
    }

    /// Whether the journal holds this proof already.
    pub(super) fn remembers(&self, proof: &Proof) -> bool {
        let run = &self.run;
        match proof {
            Proof::Fenced { generation } => run.fenced == Some(*generation),
            Proof::Staged => run.staged,
            Proof::BackedUp => run.backed_up,
            Proof::Proven => run.proven,
            Proof::Rebuilt { .. } => run.rebuilt.is_some(),
            Proof::Armed { lease } => run.arm_proof == Some(*lease),
            Proof::Stopped { invocation, boot } => run.stopped == Some((*invocation, *boot)),
            Proof::Kept(kept) => run.kept.as_ref() == Some(kept),
            Proof::Swapped => run.swapped,
            Proof::Restored => run.restored,
            Proof::Started { invocation } => run.started == Some(*invocation),
            Proof::SwappedBack => run.swapped_back || !run.swap_intended && run.kept.is_none(),
            Proof::PutBack => run.put_back || self.nothing_to_put_back(),
            Proof::Released => true,
        }
    }

    pub(super) fn before(&mut self, op: Op) -> Result<Before, Fault> {
        let refused = |why: &str| Err(fault(FaultKind::Refused, why));
        let stale = |why: &str| Err(fault(FaultKind::Stale, why));
        let forward = self.run.turned.is_none();
        match op {
            Op::ArmGuard { .. } if self.run.fenced.is_none() => refused("this run has not fenced the node"),
            Op::Stage if path_is_not_old(self.world) => refused("the plan was made for another binary"),
            Op::Stop => {
                if forward && (!self.run.staged || !self.run.proven) {
                    return refused("nothing is staged, or there is no receipt");
                }
                if forward {
                    let sides = (self.world.at_path(places::BINARY), self.world.at_path(places::SLOT));
                    let (old, new) = (Some(Version::Old), Some(Version::New));
                    if sides != (old, new) && sides != (new, old) {
                        return refused("the binary or its slot is not what was staged");
                    }
                }
                Ok(Before::Invocation(self.world.shown))
            }
            Op::Keep => {
                if self.exchanged_already() || self.world.at_path(places::BINARY) == Some(Version::New) {
                    return refused("the new version is in place");
                }
                let Some((ended, boot)) = self.run.stopped else { return refused("K3s was not stopped by this run") };
                if self.world.k3s.is_some() || boot != self.world.boot || !self.same_life(ended) {
                    return stale("K3s ran again after it was stopped");
                }
                Ok(Before::Invocation(ended))
            }
            Op::Swap => self.before_swap(),
            Op::Restore { seen } => self.before_restore(seen),
            Op::Start => {
                if self.world.exists(places::MARKER) {
                    return refused("a put-back is open on this node");
                }
                let meant = if self.run.expects_new() { Version::New } else { Version::Old };
                if self.world.at_path(places::BINARY) != Some(meant) {
                    return refused("another version should be started");
                }
                if self.world.k3s.is_some_and(|life| life.version != meant) {
                    return refused("the other version runs and was not stopped");
                }
                let again = self.run.stopped.is_none() && self.run.started.is_none();
                Ok(Before::Invocation(self.run.start_after.filter(|_| again).unwrap_or(self.world.shown)))
            }
            Op::SwapBack => self.before_swap_back(),
            Op::PutBack { seen } => self.before_put_back(seen),
            Op::Release { .. } if self.run.put_back_open() || self.world.exists(places::MARKER) => {
                refused("a put-back is open on this node")
            }
            Op::Release { commit: false } if self.run.expects_new() => {
                Err(fault(FaultKind::Human, "another coordinator has gone on with this run"))
            }
            Op::Release { commit: false } if self.run.stopped.is_some() && self.world.k3s.is_none() => {
                Err(fault(FaultKind::Human, "K3s was stopped by this run and nobody has started it again"))
            }
            _ => Ok(Before::Nothing),
        }
    }

    fn before_swap(&self) -> Result<Before, Fault> {
        let refused = |why: &str| Err(fault(FaultKind::Refused, why));
        let before = Before::Link(self.link());
        if self.run.turned.is_some() {
            return refused("this run goes back");
        }
        let sides = (self.world.at_path(places::BINARY), self.world.at_path(places::SLOT));
        if sides == (Some(Version::New), Some(Version::Old)) {
            return Ok(before);
        }
        let Some(kept) = self.run.kept.clone() else { return refused("there is no stopped copy that would lead back") };
        if let Err(why) = self.still_true(&kept) {
            return Err(fault(FaultKind::Stale, why));
        }
        if sides != (Some(Version::Old), Some(Version::New)) {
            return refused("binary and slot are not those that the plan names");
        }
        Ok(before)
    }

    /// Whether what the copy saw is unchanged.
    pub(super) fn still_true(&self, kept: &Kept) -> Result<(), &'static str> {
        if mutated(Mutant::TrustStaleKeep) {
            return Ok(());
        }
        if self.world.inode(places::KEEP) != Some(kept.copy) || self.world.inode(places::SERVER) != Some(kept.server) {
            return Err("one of the two directories is another one");
        }
        if self.world.boot != kept.boot {
            return Err("the machine was booted since");
        }
        if self.world.k3s.is_some() || !self.same_life(kept.invocation) {
            return Err("K3s ran in between");
        }
        match self.marked(places::SERVER, kept) {
            true => Ok(()),
            false => Err("the datastore was written in between"),
        }
    }

    pub(super) fn marked(&self, server: &str, kept: &Kept) -> bool {
        let data = self.world.datastore(server);
        let mark = (kept.revision, kept.objects, kept.schema);
        data.is_some_and(|data| (data.revision, data.objects.len(), data.schema) == mark)
    }

    /// systemd forgets the id of a unit that has not run since the boot.
    pub(super) fn same_life(&self, ended: u64) -> bool {
        self.world.shown == 0 || self.world.shown == ended
    }

    pub(super) fn interlocked(&self) -> bool {
        self.world.exists(places::INTERLOCK) && self.world.exists(places::BOOT_UNIT)
    }

    pub(super) fn link(&self) -> String {
        let node = self.world.node.borrow();
        String::from_utf8_lossy(node.read(Path::new(places::LINK)).unwrap_or_default()).into_owned()
    }

    pub(super) fn end(&mut self, committed: bool) -> Result<(), Fault> {
        self.append(NodeEvent::Ended { committed })
    }
}
