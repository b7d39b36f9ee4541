//! `restore`: exchanges `server/` and the binary with an earlier state: a put-back the other way round, line by line.
//!
//! The stopped copy that `keep` made leads back from it, so a restore is undone by `put-back` like an upgrade.

use std::fs;
use std::path::Path;

use belay_journal::durable;
use belay_wire::{Fault, Op, PutBackProof, Reply};

use crate::datastore::Datastore;
use crate::down::Down;
use crate::fault::{Attempt as _, failed, refused, stale};
use crate::keep::still_true;
use crate::links::{data_links, links_for};
use crate::lost::{Lost, Since, compare};
use crate::mark::is_marked;
use crate::node_run::{Before, NodeRun, Proof, PutBackPlan, PutBackSummary};
use crate::put_back::{MARGIN, drop_marker, put_back, raise_marker, told};
use crate::step::{Effect, Found, Step, inode};
use crate::{Installation, carry, token};

pub(crate) struct Restore;

impl Effect for Restore {
    type Proof = PutBackProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<PutBackProof>, Fault> {
        let Some(plan) = step.run().restore_plan.clone() else { return Ok(Found::NotDone) };
        let done = inode(&step.server()) == Some(plan.kept_inode)
            && step.binary_digest()? == plan.old
            && !step.marker().exists();
        match done {
            true => Ok(Found::Done(proof(step, &plan))),
            false => Ok(Found::Partial("the restore was begun and is not finished".into())),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        if step.run().turned.is_some() {
            return Err(refused("this run goes back"));
        }
        Down::require(step).map_err(|fault| stale(fault.message))?;
        let plan = match step.run().restore_plan.clone() {
            // Once the marker or an exchange is there, nothing that could have changed the decision has run.
            Some(plan) if step.marker().exists() || inode(&step.server()) == Some(plan.kept_inode) => plan,
            _ => {
                raise_marker(step, &step.rebuilt().to_string_lossy())?;
                let decided = decide(step);
                if decided.is_err() {
                    drop_marker(step)?;
                }
                decided?
            }
        };
        let links = data_links(&step.data_dir());
        Ok(Before { links, restore: Some(Box::new(plan)), ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<PutBackProof, Fault> {
        let plan = step.run().restore_plan.clone().ok_or_else(|| failed("the restore has no plan"))?;
        put_back(step, &plan, None)?;
        Ok(proof(step, &plan))
    }

    fn remembered(run: &NodeRun, _: &PutBackProof) -> bool {
        run.restored.is_some()
    }

    fn proof(proof: &PutBackProof) -> Proof {
        Proof::Restored(PutBackSummary::of(proof))
    }

    fn reply(proof: PutBackProof) -> Reply {
        Reply::PutBack(Box::new(proof))
    }
}

/// Decides everything before the first exchange, and writes the list of what is left behind.
fn decide(step: &mut Step<'_>) -> Result<PutBackPlan, Fault> {
    let (Some(kept), Some(rebuilt)) = (step.run().kept.clone(), step.run().rebuilt.clone()) else {
        return Err(refused("there is no stopped copy that would lead back, or nothing was rebuilt"));
    };
    if let Err(why) = still_true(step, &kept)? {
        return Err(stale(format!("the stopped copy is stale: {why}")));
    }
    let target = step.target().clone();
    // Hashed again from the path that will be executed (invariant I4).
    if step.slot_digest()? != Some(target.new) || step.binary_digest()? != target.old {
        return Err(refused("binary and slot are not those that the plan names"));
    }
    let path = Path::new(&rebuilt.path);
    if inode(path) != Some(rebuilt.inode) || !is_marked(path, target.datastore, &rebuilt.mark)? {
        return Err(refused(format!("{} was altered since it was rebuilt", path.display())));
    }
    let found = Installation::of_unit(step.places, &target.unit)?;
    token::matches(&found.config, path).map_err(|why| refused(format!("nothing was restored: {why}")))?;
    let Op::Restore { seen } = step.mutation.op else { return Err(refused("this is not a restore")) };
    let what = || "one of the two datastores could not be read";
    step.channel.progress("comparing the two datastores", 0, 0);
    let then = Datastore::of_server(path, target.datastore).attempt(what)?;
    let now = Datastore::of_server(Path::new(&kept.path), target.datastore).attempt(what)?;
    let lost = compare(&then, Since::forked(rebuilt.revision), &now).attempt(what)?;
    drop((then, now));
    let json = serde_json::to_vec(&lost).attempt(|| "the list of what is left behind has no JSON form")?;
    durable::replace(&step.left(), &json, 0o600).attempt(|| "the list of what is left behind could not be written")?;
    let staged = step.run().staged.clone().ok_or_else(|| refused("nothing is staged on this node"))?;
    let highest = rebuilt.revision.max(kept.revision).max(seen);
    Ok(PutBackPlan {
        kept_inode: rebuilt.inode,
        abandoned_inode: kept.server_inode,
        carry: carry::to_carry(&step.server(), path)?,
        keep: rebuilt.path,
        old: target.new,
        slot: step.slot().to_string_lossy().into_owned(),
        links: links_for(&step.data_dir(), &staged.data_hash, &data_links(&step.data_dir())),
        revision: highest.saturating_add(MARGIN),
        kept_revision: rebuilt.revision,
        abandoned_revision: Some(kept.revision),
        begun_up: step.now().uptime.as_millis(),
    })
}

fn proof(step: &Step<'_>, plan: &PutBackPlan) -> PutBackProof {
    let lost: Lost = fs::read(step.left()).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    // The present lies in the stopped copy; what was moved aside in its place is removed at the end.
    let aside = step.run().kept.as_ref().map(|kept| kept.path.clone()).unwrap_or_default();
    PutBackProof { abandoned: aside, ..told(step, plan, lost) }
}
