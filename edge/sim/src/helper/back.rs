//! The ways back, line by line: twins of `edge/helper/src/{swap_back,put_back,restore}.rs`.

use std::path::Path;

use belay_engine::{Fault, FaultKind};
use belay_facts::{Mutant, mutated};
use belay_journal::{Disk as _, DiskFile as _, Durable};

use super::{Found, Helper, fault, on_disk};
use crate::node_run::{Before, Exchange, Kept, Proof};
use crate::places;
use crate::world::{Hand, Version};

const MARGIN: u64 = 1000;

impl Helper<'_> {
    /// Whether the new version may have run on the live data since they were copied.
    pub(super) fn new_ran(&self) -> bool {
        if self.run.new_started {
            return true;
        }
        let Some(kept) = &self.run.kept else { return false };
        if self.world.at_path(places::BINARY) != Some(Version::New) {
            return false;
        }
        self.ran_since(kept)
    }

    fn ran_since(&self, kept: &Kept) -> bool {
        let lived = self.world.shown != 0 && self.world.shown != kept.invocation;
        lived || !self.marked(places::SERVER, kept)
    }

    /// Whether K3s may have lived since the stopped copy was made, even if only for a start that failed.
    fn has_lived(&self) -> bool {
        let Some(kept) = &self.run.kept else { return true };
        let shown = self.world.shown;
        let same = shown == kept.invocation || shown == 0 && !self.run.new_started;
        !same || !self.marked(places::SERVER, kept)
    }

    pub(super) fn probe_swap_back(&self) -> Found {
        if self.world.at_path(places::BINARY) != Some(Version::Old) {
            return Found::NotDone;
        }
        let links = self.run.link_before.as_ref().is_none_or(|link| *link == self.link());
        let ours = self.run.put_back_plan.is_none() && !self.world.is_binary();
        let copies = ours && (self.world.exists(places::KEEP) || self.world.exists(places::PARTIAL));
        let idle = self.run.put_back_plan.is_none() && self.run.restore_plan.is_none();
        let marked = idle && self.world.exists(places::MARKER);
        if copies || marked || !links { Found::Partial } else { Found::Done(Proof::SwappedBack) }
    }

    pub(super) fn before_swap_back(&self) -> Result<Before, Fault> {
        if self.run.put_back_plan.is_some() {
            return Err(fault(FaultKind::Refused, "this run is being put back"));
        }
        let new_ran = self.new_ran();
        if !self.world.is_binary() && new_ran {
            return Err(fault(FaultKind::Stale, "the new version has run"));
        }
        match self.world.at_path(places::BINARY) {
            Some(Version::New) if self.world.k3s.is_some() => Err(fault(FaultKind::Stale, "K3s runs")),
            Some(Version::New) if self.world.at_path(places::SLOT) != Some(Version::Old) => {
                Err(fault(FaultKind::Human, "the old binary is not in the slot"))
            }
            Some(at) => {
                let untouched = (at == Version::New).then(|| self.world.is_binary() && !self.has_lived());
                Ok(Before::Ran { new_ran, untouched })
            }
            None => Err(fault(FaultKind::Human, "the binary is neither of the two")),
        }
    }

    fn exchange_back_under_marker(&mut self) -> Result<(), Fault> {
        self.set_marker()?;
        let ran = match self.world.is_binary() {
            true => !self.run.exposed && self.has_lived(),
            false => self.new_ran(),
        };
        if self.world.k3s.is_some() || ran {
            return Err(fault(FaultKind::Stale, "the new version has run while it was to be taken back"));
        }
        self.exchange_binary()
    }

    pub(super) fn swap_back(&mut self) -> Result<Proof, Fault> {
        let new = self.world.at_path(places::BINARY) == Some(Version::New);
        let exchanged = if new { self.exchange_back_under_marker() } else { self.secure_parent(places::BINARY) };
        if self.run.restore_plan.is_none() {
            self.drop_marker()?;
        }
        exchanged?;
        if let Some(link) = self.run.link_before.clone() {
            self.set_link(&link)?;
        }
        if !self.world.is_binary() {
            for path in [places::PARTIAL, places::KEEP] {
                if self.world.inode(path).is_some() && self.world.inode(path) == self.world.inode(places::SERVER) {
                    return Err(fault(FaultKind::Refused, "this is the live directory"));
                }
                self.remove_tree(path).map_err(|error| on_disk(&error))?;
            }
        }
        Ok(Proof::SwappedBack)
    }

    pub(super) fn nothing_to_put_back(&self) -> bool {
        let run = &self.run;
        let stayed_old = self.world.is_binary() && run.swapped_back && !run.exposed;
        stayed_old || run.swapped_back && run.kept.is_none() || run.rebuilt.is_some() && run.restore_plan.is_none()
    }

    pub(super) fn exchanged_whole(&self, plan: &Exchange) -> bool {
        self.world.inode(places::SERVER) == Some(plan.kept)
            && self.world.at_path(places::BINARY) == Some(side(&plan.binary))
            && !self.world.exists(places::MARKER)
    }

    pub(super) fn probe_put_back(&self) -> Result<Found, Fault> {
        let Some(plan) = &self.run.put_back_plan else {
            let old = self.world.at_path(places::BINARY) == Some(Version::Old);
            return Ok(match self.nothing_to_put_back() {
                true if self.world.exists(places::MARKER) => Found::Partial,
                true if old => Found::Done(Proof::PutBack),
                _ => Found::NotDone,
            });
        };
        let links = self.link() == plan.binary || self.run.put_back;
        Ok(if self.exchanged_whole(plan) && links { Found::Done(Proof::PutBack) } else { Found::Partial })
    }

    /// The marker of a restore whose intent was never journalled.
    pub(super) fn only_marked(&self) -> bool {
        self.run.put_back_plan.is_none()
            && self.nothing_to_put_back()
            && self.world.exists(places::MARKER)
            && self.world.at_path(places::BINARY) == Some(Version::Old)
    }

    pub(super) fn before_put_back(&mut self, seen: u64) -> Result<Before, Fault> {
        if self.world.k3s.is_some() {
            return Err(fault(FaultKind::Stale, "K3s runs"));
        }
        if self.only_marked() {
            return Ok(Before::Nothing);
        }
        if let Some(plan) = self.run.put_back_plan.clone()
            && (self.world.exists(places::MARKER) || self.world.inode(places::SERVER) == Some(plan.kept))
        {
            return Ok(Before::Exchange(plan));
        }
        self.under_marker(|helper| helper.decide(seen))
    }

    pub(super) fn before_restore(&mut self, seen: u64) -> Result<Before, Fault> {
        if self.run.turned.is_some() {
            return Err(fault(FaultKind::Refused, "this run goes back"));
        }
        if self.world.k3s.is_some() {
            return Err(fault(FaultKind::Stale, "K3s runs"));
        }
        if let Some(plan) = self.run.restore_plan.clone()
            && (self.world.exists(places::MARKER) || self.world.inode(places::SERVER) == Some(plan.kept))
        {
            return Ok(Before::Exchange(plan));
        }
        self.under_marker(|helper| helper.decide_restore(seen))
    }

    fn under_marker(&mut self, decide: impl FnOnce(&Self) -> Result<Exchange, Fault>) -> Result<Before, Fault> {
        self.set_marker()?;
        let decided = if self.world.k3s.is_some() { Err(fault(FaultKind::Stale, "K3s runs")) } else { decide(self) };
        if decided.is_err() {
            Durable(&self.disk).remove(Path::new(places::MARKER)).map_err(|error| on_disk(&error))?;
        }
        decided.map(Before::Exchange)
    }

    fn decide(&self, seen: u64) -> Result<Exchange, Fault> {
        let kept = self.run.kept.clone().ok_or_else(|| fault(FaultKind::Refused, "there is no stopped copy"))?;
        let back_already = self.run.restore_plan.is_some() || self.world.is_binary();
        match self.world.at_path(places::BINARY) {
            Some(Version::New) => {}
            Some(Version::Old) if back_already => {}
            _ => return Err(fault(FaultKind::Refused, "the new version is not in place")),
        }
        let human = || fault(FaultKind::Human, "the directories are not those of this run, or the copy was altered");
        let restored = self.run.restore_plan.as_ref().map(|plan| plan.kept);
        let live = self.world.inode(places::SERVER).filter(|live| *live == kept.server || Some(*live) == restored);
        let live = live.ok_or_else(human)?;
        if self.world.inode(places::KEEP) != Some(kept.copy) {
            return Err(human());
        }
        let raised = self.run.put_back_plan.as_ref().map(|plan| plan.revision);
        let copy = self.world.datastore(places::KEEP).ok_or_else(human)?;
        if !self.marked(places::KEEP, &kept) && Some(copy.revision) != raised && !mutated(Mutant::TrustStaleKeep) {
            return Err(human());
        }
        let abandoned = self.world.datastore(places::SERVER);
        let highest = abandoned.as_ref().map_or(0, |data| data.revision).max(copy.revision);
        let seen = seen.max(self.run.turned.unwrap_or(0));
        let lost = abandoned.map(|data| data.objects.difference(&copy.objects).copied().collect()).unwrap_or_default();
        Ok(Exchange {
            kept: kept.copy,
            abandoned: live,
            keep: places::KEEP.to_owned(),
            binary: "old".to_owned(),
            revision: highest.max(seen) + MARGIN,
            lost,
        })
    }

    fn decide_restore(&self, seen: u64) -> Result<Exchange, Fault> {
        let (Some(kept), Some((inode, _, revision))) = (self.run.kept.clone(), self.run.rebuilt.clone()) else {
            return Err(fault(FaultKind::Refused, "there is no stopped copy, or nothing was rebuilt"));
        };
        self.still_true(&kept).map_err(|why| fault(FaultKind::Stale, why))?;
        let sides = (self.world.at_path(places::BINARY), self.world.at_path(places::SLOT));
        if sides != (Some(Version::Old), Some(Version::New)) || self.world.inode(places::REBUILT) != Some(inode) {
            return Err(fault(FaultKind::Refused, "binary, slot or directory are not those that were staged"));
        }
        let read =
            |path| self.world.datastore(path).ok_or_else(|| fault(FaultKind::Failed, "a datastore does not open"));
        let (then, now) = (read(places::REBUILT)?, read(places::KEEP)?);
        Ok(Exchange {
            kept: inode,
            abandoned: kept.server,
            keep: places::REBUILT.to_owned(),
            binary: "new".to_owned(),
            revision: revision.max(kept.revision).max(seen) + MARGIN,
            lost: now.objects.difference(&then.objects).copied().collect(),
        })
    }

    pub(super) fn set_marker(&mut self) -> Result<(), Fault> {
        if mutated(Mutant::ForgetInterlock) {
            return Ok(());
        }
        self.install_interlock()?;
        let marker = Path::new(places::MARKER);
        Durable(&self.disk).replace(marker, b"exchanging\n", 0o600).map_err(|error| on_disk(&error))
    }

    pub(super) fn drop_marker(&self) -> Result<(), Fault> {
        Durable(&self.disk).remove(Path::new(places::MARKER)).map_err(|error| on_disk(&error))
    }

    fn exchanged(&self, plan: &Exchange) -> Result<bool, Fault> {
        let sides = (self.world.inode(places::SERVER), self.world.inode(&plan.keep));
        if sides == (Some(plan.kept), Some(plan.abandoned)) {
            return Ok(true);
        }
        if sides == (Some(plan.abandoned), Some(plan.kept)) {
            return Ok(false);
        }
        Err(fault(FaultKind::Human, "these are not the two directories of this run"))
    }

    /// Somebody may start K3s between any two lines.
    fn after_line(&mut self, line: u32) {
        if self.world.hand == Some(Hand::Between(line)) {
            self.hand_start();
        }
    }

    /// The lines, in their order.
    pub(super) fn put_back(&mut self, plan: &Exchange) -> Result<(), Fault> {
        self.set_marker()?;
        self.after_line(0);
        if !self.exchanged(plan)? && !mutated(Mutant::ForgetRevision) {
            let log = Path::new(&plan.keep).join("wal");
            let raised = (|| {
                let mut file = self.disk.append_to(&log)?;
                file.write_all(format!("\nrev {}\n", plan.revision).as_bytes())?;
                file.sync_all()
            })();
            raised.map_err(|error| on_disk(&error))?;
        }
        self.after_line(1);
        if !self.exchanged(plan)? || mutated(Mutant::ExchangeBlindly) {
            let (keep, server) = (Path::new(&plan.keep), Path::new(places::SERVER));
            Durable(&self.disk).exchange(keep, server).map_err(|error| on_disk(&error))?;
        }
        if mutated(Mutant::MarkerGoneEarly) {
            self.drop_marker()?;
        }
        self.after_line(2);
        if self.world.at_path(places::BINARY) != Some(side(&plan.binary)) {
            if self.world.at_path(places::SLOT) != Some(side(&plan.binary)) {
                return Err(fault(FaultKind::Human, "the binary is not in the slot"));
            }
            self.exchange_binary()?;
        }
        self.after_line(3);
        self.set_link(&plan.binary)?;
        for path in [places::SERVER, places::BINARY] {
            Durable(&self.disk).sync_parent(Path::new(path)).map_err(|error| on_disk(&error))?;
        }
        self.drop_marker()
    }
}

fn side(name: &str) -> Version {
    if name == "new" { Version::New } else { Version::Old }
}
