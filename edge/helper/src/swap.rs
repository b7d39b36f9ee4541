//! `swap`: exchanges the binary with the staged slot, and moves the links of `data/` as an extracting start would.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use belay_facts::{DataLink, Digest, Mutant, mutated};
use belay_journal::{crash_point, durable};
use belay_wire::{Fault, KeepProof, Reply, SwapProof};

use crate::down::Down;
use crate::fault::{Attempt as _, failed, refused, stale};
use crate::keep::still_true;
use crate::links::{data_links, links_for, set_links};
use crate::mark::is_marked;
use crate::node_run::{Before, NodeRun, Proof};
use crate::put_back::{drop_marker, raise_marker};
use crate::step::{Effect, Found, Step};
use crate::unit::Unit;

pub(crate) struct Swap;

impl Effect for Swap {
    type Proof = SwapProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<SwapProof>, Fault> {
        let target = step.target();
        let (path, slot) = (step.binary_digest()?, step.slot_digest()?);
        if path == target.old {
            return Ok(Found::NotDone);
        }
        if path != target.new || slot != Some(target.old) {
            return Ok(Found::Partial(format!("{} is {path}, neither of the two versions", target.binary)));
        }
        let Some(staged) = &step.run().staged else {
            return Ok(Found::Partial("the new version is in place, and nothing is staged".into()));
        };
        if data_links(&step.data_dir()) != links_after(step, &staged.data_hash) {
            return Ok(Found::Partial("the links of data/ name the old version".into()));
        }
        if step.marker().exists() && step.run().put_back_plan.is_none() {
            return Ok(Found::Partial("the marker of the swap is still there".into()));
        }
        Ok(Found::Done(proof(step, path)))
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let target = step.target();
        let before = Before { links: data_links(&step.data_dir()), ..Before::default() };
        if step.run().turned.is_some() {
            return Err(refused("this run goes back"));
        }
        let slot = step.slot_digest()?;
        // Only the links were left to do.
        if step.binary_digest()? == target.new && slot == Some(target.old) {
            return Ok(before);
        }
        let Some(kept) = step.run().kept.clone() else {
            return Err(refused("there is no stopped copy that would lead back"));
        };
        if let Err(why) = still_true(step, &kept)? {
            return Err(stale(format!("the stopped copy is stale: {why}")));
        }
        // Hashed from the path that will be executed, now or before the stop and unchanged since (invariant I4).
        if slot != Some(target.new) && !mutated(Mutant::SwapUnverified) {
            return Err(refused(format!("the slot {} is not the verified artifact", step.slot().display())));
        }
        let path = step.binary_digest()?;
        if path != target.old {
            return Err(refused(format!("{} is {path}, and the plan was made for another binary", target.binary)));
        }
        Ok(before)
    }

    fn act(step: &mut Step<'_>) -> Result<SwapProof, Fault> {
        if step.binary_digest()? == step.target().old {
            let exchanged = exchange_under_marker(step);
            // One that was cut off has left it as well, and it would keep K3s down.
            drop_marker(step)?;
            exchanged?;
        } else {
            secure_binary(step)?;
            drop_marker(step)?;
        }
        let hash = step.run().staged.as_ref().map(|staged| staged.data_hash.clone());
        let hash = hash.ok_or_else(|| refused("nothing is staged on this node"))?;
        set_links(&step.data_dir(), &links_after(step, &hash))?;
        let path = step.binary_digest()?;
        if path != step.target().new {
            return Err(failed(format!("after the exchange {} is {path}", step.target().binary)));
        }
        Ok(proof(step, path))
    }

    fn remembered(run: &NodeRun, proof: &SwapProof) -> bool {
        run.swapped.as_ref() == Some(proof)
    }

    fn proof(proof: &SwapProof) -> Proof {
        Proof::Swapped(proof.clone())
    }

    fn reply(proof: SwapProof) -> Reply {
        Reply::Swapped(proof)
    }
}

/// The last look before took a while, and somebody may have started K3s in it: what the old version then wrote is not in the
/// copy. From the look until the exchange the marker keeps K3s down, so whoever finds the new version in place after a kill or
/// a power cut knows that the copy is exact, whatever has run since.
fn exchange_under_marker(step: &mut Step<'_>) -> Result<(), Fault> {
    let kept = step.run().kept.clone().ok_or_else(|| refused("there is no stopped copy that would lead back"))?;
    raise_marker(step, &kept.path)?;
    if let Err(why) = still_true(step, &kept)? {
        return Err(stale(format!("the stopped copy became stale during the swap: {why}")));
    }
    exchange(step)
}

/// The links as an extracting start of the new version would leave them. A try that was cut off may have moved some already, and
/// then `current` does not say any more what `previous` should be: the first intent does.
fn links_after(step: &Step<'_>, hash: &str) -> Vec<DataLink> {
    let before = match step.run().links_before.as_slice() {
        [] => data_links(&step.data_dir()),
        known => known.to_vec(),
    };
    links_for(&step.data_dir(), hash, &before)
}

/// Exchanges binary and slot; the caller knows by their digests that it is due, because twice undoes itself.
pub(crate) fn exchange(step: &Step<'_>) -> Result<(), Fault> {
    let (path, slot) = (step.binary(), step.slot());
    if mutated(Mutant::CopyOverLivePath) {
        return copy_over(step, &path, &slot);
    }
    durable::exchange(&slot, &path)
        .attempt(|| format!("{} could not be exchanged with {}", path.display(), slot.display()))?;
    step.digests.renamed(&path);
    step.digests.renamed(&slot);
    Ok(())
}

/// What installers do, for [`Mutant::CopyOverLivePath`].
fn copy_over(step: &Step<'_>, path: &Path, slot: &Path) -> Result<(), Fault> {
    let what = || format!("{} could not be copied over", path.display());
    let (live, other) = (fs::read(path).attempt(what)?, fs::read(slot).attempt(what)?);
    let (begin, end) = other.split_at(other.len() / 2);
    fs::write(path, begin).attempt(what)?;
    crash_point(format_args!("copying over {}", path.display()));
    let mut file = fs::OpenOptions::new().append(true).open(path).attempt(what)?;
    file.write_all(end).attempt(what)?;
    fs::write(slot, live).attempt(what)?;
    step.digests.renamed(path);
    step.digests.renamed(slot);
    Ok(())
}

/// An exchange that an earlier try has made may not be durable: that one was killed before its sync.
pub(crate) fn secure_binary(step: &Step<'_>) -> Result<(), Fault> {
    let path = step.binary();
    durable::sync_parent(&path).attempt(|| format!("{} could not be made durable", path.display()))
}

pub(crate) fn proof(step: &Step<'_>, digest: Digest) -> SwapProof {
    let (path, slot) = (step.target().binary.clone(), step.slot().to_string_lossy().into_owned());
    SwapProof { path, digest, slot, new_ran: false }
}

/// Whether K3s may have lived since the stopped copy was made, even if only for a start that failed. Not, where systemd shows
/// the life that was stopped for the copy; it forgets that at a boot, and then no intent of ours to start may be there.
pub(crate) fn has_lived(step: &Step<'_>, unit: &Unit) -> Result<bool, Fault> {
    let run = step.run();
    let Some(kept) = &run.kept else { return Ok(true) };
    let same = unit.invocation == kept.invocation || unit.invocation.is_empty() && !run.new_started;
    Ok(!same || !is_marked(&step.server(), step.target().datastore, &kept.mark)?)
}

/// Whether the new version may have run on the live data since they were copied: started by us, by a boot, or by
/// somebody else. Then only a put-back leads back exactly.
pub(crate) fn new_ran(step: &Step<'_>) -> Result<bool, Fault> {
    let run = step.run();
    if run.new_started {
        return Ok(true);
    }
    let Some(kept) = &run.kept else { return Ok(false) };
    if step.binary_digest()? != step.target().new {
        return Ok(false);
    }
    ran_since(step, kept)
}

/// Whether K3s ran on the live data since they were copied, whichever version it was.
pub(crate) fn ran_since(step: &Step<'_>, kept: &KeepProof) -> Result<bool, Fault> {
    let unit = Down::look(step)?.unit;
    let lived = !unit.invocation.is_empty() && unit.invocation != kept.invocation;
    Ok(lived || !is_marked(&step.server(), step.target().datastore, &kept.mark)?)
}
