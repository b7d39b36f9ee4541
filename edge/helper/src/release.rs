//! `release`: the run is over on this node.

use std::path::{Path, PathBuf};

use belay_facts::{Mutant, mutated};
use belay_journal::durable;
use belay_wire::{Fault, Op, ReleaseProof, Reply};

use crate::Places;
use crate::fault::{Attempt as _, human, refused};
use crate::keep::partial;
use crate::node_run::{Before, NodeEvent, NodeRun, Proof, all_runs};
use crate::step::{Effect, Found, Step, inode, start_reserve};
use crate::timer;
use crate::tree::remove_tree;
use crate::unit::{Unit, daemon_reload};

pub(crate) struct Release;

impl Effect for Release {
    type Proof = ReleaseProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<ReleaseProof>, Fault> {
        if step.run().ended.is_some() {
            return Ok(Found::Done(ReleaseProof { stays: stays(step) }));
        }
        let fenced = step.places.interlock(&step.target().unit).exists();
        Ok(if fenced { Found::NotDone } else { Found::Partial("the interlock is gone, the run is open".into()) })
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        if step.run().put_back_open() || step.marker().exists() {
            return Err(refused("a put-back is open on this node; the interlock stays until it is finished"));
        }
        let Op::Release { keep_way_back } = step.mutation.op else { return Err(refused("this is not a release")) };
        if !keep_way_back && step.run().expects_new() {
            return Err(human(
                "the new version is in place and nobody has taken it back: another coordinator has gone on with this run",
                "`belay resume` or `belay rollback` where that one keeps its state",
            ));
        }
        // Stopped by this run, and never started again: whoever asks does not know how far the run has gone.
        if !keep_way_back && step.run().stopped.is_some() && Unit::show(step.places, &step.target().unit)?.is_down() {
            return Err(human(
                format!("{} was stopped by this run and nobody has started it again", step.target().unit),
                "start it, then `belay resume`",
            ));
        }
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<ReleaseProof, Fault> {
        let Op::Release { keep_way_back } = step.mutation.op else { return Err(refused("this is not a release")) };
        let run = step.run();
        let committed = match run.rebuilt {
            // The binary may be the same on both sides.
            Some(_) => run.restored.is_some() && run.put_back.is_none(),
            None => step.binary_digest()? == step.target().new,
        };
        // With the new version in place and nobody who vouched for it, slot and copy are all that leads back.
        if !keep_way_back && (!committed || step.run().vouched) {
            drop_way_back(step)?;
        }
        if committed && step.run().vouched {
            drop_older(step)?;
        }
        // What a restore rebuilt and did not need, or the live directory that it moved aside: its copy was kept.
        for path in [step.rebuilt(), partial(&step.rebuilt())] {
            remove_copy(&path, &step.server())?;
        }
        remove_tree(&partial(&step.keep()))?;
        // Of a backup that was cut off and that nobody wanted any more: it has the keys of the cluster.
        remove_tree(&partial(&step.places.backup_dir(&step.mutation.run)))?;
        remove_tree(&step.data_dir().join(format!(".belay-extract-{}", step.mutation.run)))?;
        // Of the marker, which is gone, what was cut off before it had its name.
        let reserve = start_reserve(step.target(), &step.mutation.run);
        for path in [step.reserve(), step.second_reserve(), reserve, step.marker()] {
            durable::remove(&path).attempt(|| format!("{} could not be removed", path.display()))?;
        }
        remove_units(step.places, &step.target().unit)?;
        let state = match (committed, step.run().turned.is_some() || step.run().swapped_back) {
            (true, _) if run_changes_nothing(step) => "unchanged",
            (true, _) if step.run().vouched => "committed",
            (true, _) => "left on the new version",
            (false, true) => "restored",
            (false, false) => "unchanged",
        };
        step.append(NodeEvent::Ended { state: state.into() })?;
        Ok(ReleaseProof { stays: stays(step) })
    }

    fn remembered(run: &NodeRun, _: &ReleaseProof) -> bool {
        run.ended.is_some()
    }

    fn proof(proof: &ReleaseProof) -> Proof {
        Proof::Released(proof.clone())
    }

    fn reply(proof: ReleaseProof) -> Reply {
        Reply::Released(proof)
    }
}

/// A backup: neither binary nor data are exchanged.
fn run_changes_nothing(step: &Step<'_>) -> bool {
    step.target().old == step.target().new && step.run().rebuilt.is_none()
}

/// Removes guard, interlock and boot unit, the other way round than they were installed.
fn remove_units(places: &Places, unit: &str) -> Result<(), Fault> {
    if !mutated(Mutant::CommitLeavesGuard) {
        timer::remove(places)?;
    }
    let interlock = places.interlock(unit);
    for path in [places.guard_wanted(), places.guard_unit(), interlock.clone()] {
        durable::remove(&path).attempt(|| format!("{} could not be removed", path.display()))?;
    }
    // Only when it is empty: an administrator's drop-ins live there as well.
    if let Some(dir) = interlock.parent() {
        durable::remove_if_empty(dir).attempt(|| "the directory of units could not be made durable")?;
    }
    daemon_reload(places)
}

/// Slot and copy of this run. The data of an abandoned version are not a way back, and are not removed with one.
fn drop_way_back(step: &Step<'_>) -> Result<(), Fault> {
    let slot = step.slot();
    durable::remove(&slot).attempt(|| format!("{} could not be removed", slot.display()))?;
    if step.run().put_back_plan.is_none() {
        remove_copy(&step.keep(), &step.server())?;
    }
    Ok(())
}

/// What earlier runs left to lead back, or set aside: a new version is committed, so they lead nowhere. Their backups
/// stay (invariant I8).
fn drop_older(step: &Step<'_>) -> Result<(), Fault> {
    for old in all_runs(step.places).iter().filter(|run| run.id != step.mutation.run && run.ended.is_some()) {
        let slot = step.binary().with_file_name(format!(".k3s.belay-{}", old.id));
        durable::remove(&slot).attempt(|| format!("{} could not be removed", slot.display()))?;
        remove_copy(&step.server().with_file_name(format!("server.belay-{}", old.id)), &step.server())?;
    }
    Ok(())
}

fn remove_copy(copy: &Path, live: &Path) -> Result<(), Fault> {
    // One that is gone may be so only in the cache, after a try whose sync failed.
    if inode(copy).is_some() && inode(copy) == inode(live) { Ok(()) } else { remove_tree(copy) }
}

fn stays(step: &Step<'_>) -> Vec<String> {
    let paths: [PathBuf; 3] = [step.slot(), step.keep(), step.places.backup_dir(&step.mutation.run)];
    paths.iter().filter(|path| path.exists()).map(|path| path.to_string_lossy().into_owned()).collect()
}
