//! `swap-back`: undoes `swap`, when the new version never ran, or in a run whose way back leaves the data (class binary).
//! Only where the new version never ran does it drop the stopped copy at once; else that is for `release`.

use std::path::Path;

use belay_facts::{Digest, WayClass};
use belay_wire::{Fault, Reply, SwapProof};

use crate::down::Down;
use crate::fault::{failed, human, refused, stale};
use crate::keep::partial;
use crate::links::{data_links, set_links};
use crate::node_run::{Before, NodeRun, Proof};
use crate::put_back::{drop_marker, raise_marker};
use crate::step::{Effect, Found, Step, inode};
use crate::swap::{exchange, has_lived, new_ran, proof, secure_binary};
use crate::tree::remove_tree;

pub(crate) struct SwapBack;

impl Effect for SwapBack {
    type Proof = SwapProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<SwapProof>, Fault> {
        let digest = step.binary_digest()?;
        if digest != step.target().old {
            return Ok(Found::NotDone);
        }
        let run = step.run();
        let links_stand = run.links_before.is_empty() || run.links_before == data_links(&step.data_dir());
        // What a put-back left at this path is not ours to drop: there lie the data of the abandoned version.
        let ours = run.put_back_plan.is_none() && !run.is_binary();
        let copies = ours && (step.keep().exists() || partial(&step.keep()).exists());
        if copies || !links_stand || is_idly_marked(step) {
            return Ok(Found::Partial("a copy, a marker or the links of the new version are still there".into()));
        }
        Ok(Found::Done(swapped_back(step, digest)))
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let target = step.target();
        if step.run().put_back_plan.is_some() {
            return Err(refused("this run is being put back, and a swap-back cannot do more"));
        }
        // A boot may have started it, or somebody by hand: in class binary that is written down, since whoever asks does not know.
        let new_ran = new_ran(step)?;
        if step.target().way_back != WayClass::Binary && new_ran {
            return Err(stale("the new version has run: only a put-back leads back exactly"));
        }
        let digest = step.binary_digest()?;
        let mut untouched = None;
        if digest == target.new {
            let unit = Down::require(step).map_err(|fault| stale(fault.message))?;
            untouched = Some(step.run().is_binary() && !has_lived(step, &unit)?);
            if step.slot_digest()? != Some(target.old) {
                return Err(human(
                    format!("the old binary is not in the slot {}", step.slot().display()),
                    "put the old binary back by hand from the backup, then `belay resume`",
                ));
            }
        } else if digest != target.old {
            return Err(human(
                format!("{} is {digest}, neither of the two versions", target.binary),
                "somebody else has replaced the binary; put the old one back, then `belay resume`",
            ));
        }
        Ok(Before { new_ran, untouched, ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<SwapProof, Fault> {
        let new = step.binary_digest()? == step.target().new;
        let exchanged = if new { exchange_under_marker(step) } else { secure_binary(step) };
        // That of a try that was cut off goes as well: it would keep K3s down.
        if step.run().restore_plan.is_none() {
            drop_marker(step)?;
        }
        exchanged?;
        let links = step.run().links_before.clone();
        if !links.is_empty() {
            set_links(&step.data_dir(), &links)?;
        }
        // Until the gates have said yes it may have to follow.
        if !step.run().is_binary() {
            let keep = step.keep();
            for path in [partial(&keep), keep] {
                drop_copy(step, &path)?;
            }
        }
        let digest = step.binary_digest()?;
        if digest != step.target().old {
            return Err(failed(format!("after the exchange {} is {digest}", step.target().binary)));
        }
        Ok(swapped_back(step, digest))
    }

    fn remembered(run: &NodeRun, _: &SwapProof) -> bool {
        run.swapped_back || !run.swap_intended && run.kept.is_none()
    }

    fn proof(proof: &SwapProof) -> Proof {
        Proof::SwappedBack(proof.clone())
    }

    fn reply(proof: SwapProof) -> Reply {
        Reply::Swapped(proof)
    }
}

/// Says as well that the new version had run: to a coordinator that never asked for its start it is news, and the stopped copy
/// follows if the old version is not well on the data.
fn swapped_back(step: &Step<'_>, digest: Digest) -> SwapProof {
    SwapProof { new_ran: step.run().new_started, ..proof(step, digest) }
}

/// The last look before took a while, and somebody may have started the new version in it: then the old one must not find what
/// that has written, and what the intent says of it is not so. From the look until the exchange the marker keeps K3s down.
fn exchange_under_marker(step: &mut Step<'_>) -> Result<(), Fault> {
    raise_marker(step, &step.keep().to_string_lossy())?;
    let unit = Down::require(step).map_err(|fault| stale(fault.message))?;
    let ran = match step.run().is_binary() {
        true => !step.run().exposed && has_lived(step, &unit)?,
        false => new_ran(step)?,
    };
    if ran {
        return Err(stale("the new version has run while it was to be taken back"));
    }
    exchange(step)
}

/// Marked by a swap that was cut off; a restore's marker, and a put-back's, are theirs to take away.
fn is_idly_marked(step: &Step<'_>) -> bool {
    step.run().put_back_plan.is_none() && step.run().restore_plan.is_none() && step.marker().exists()
}

/// Removes a copy of `server`, never the directory that is `server`.
fn drop_copy(step: &Step<'_>, path: &Path) -> Result<(), Fault> {
    match (inode(path), inode(&step.server())) {
        (None, _) => remove_tree(path),
        (Some(copy), Some(live)) if copy != live => remove_tree(path),
        _ => Err(refused(format!("{} is the live directory, and is not removed", path.display()))),
    }
}
