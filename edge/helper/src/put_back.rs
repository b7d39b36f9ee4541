//! `put-back`: exchanges `server/` and the binary with what was kept (class K, design.md §6).
//!
//! Each line only if it is not yet so: an exchange that is done twice undoes itself, so sides are told apart by inode
//! and digest, and the direction was fixed by the journalled intent. A crash between any two lines is finished by the
//! next `resume` or the next boot; until then the marker keeps K3s down.

use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::{Mutant, Span, mutated};
use belay_journal::durable;
use belay_wire::{Fault, KeepProof, Op, PutBackProof, Reply};

use crate::datastore::{self, Datastore};
use crate::down::Down;
use crate::fault::{Attempt as _, failed, human, refused, stale};
use crate::fence::install_interlock;
use crate::links::{data_links, set_links};
use crate::lost::{Lost, Since, compare};
use crate::mark::is_marked;
use crate::node_run::{Before, NodeRun, Proof, PutBackPlan, PutBackSummary};
use crate::step::{Effect, Found, Step, inode};
use crate::swap::exchange;
use crate::{Installation, carry, token};

/// Above the highest revision that is known: for what was handed out and not seen.
pub(crate) const MARGIN: u64 = 1000;
/// When the abandoned datastore cannot be read, nobody knows how far it went.
const LARGE_MARGIN: u64 = 1_000_000;
/// So many lost objects travel in an answer and fit into a journal's record; the others are in `lost.json` on the node.
pub(crate) const LISTED: usize = 20_000;

pub(crate) struct PutBack;

impl Effect for PutBack {
    type Proof = PutBackProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<PutBackProof>, Fault> {
        let Some(plan) = step.run().put_back_plan.clone() else {
            return match nothing_to_put_back(step.run()) {
                true if step.marker().exists() => {
                    Ok(Found::Partial("the marker of an exchange that never began".into()))
                }
                true => never_left(step),
                false => Ok(Found::NotDone),
            };
        };
        let done = inode(&step.server()) == Some(plan.kept_inode)
            && step.binary_digest()? == plan.old
            && !step.marker().exists();
        // Links may be moved again by a start of the version that was put back, so they count only before one.
        let links = data_links(&step.data_dir()) == plan.links || step.run().put_back.is_some();
        match done && links {
            true => Ok(Found::Done(proof(step, &plan))),
            false => Ok(Found::Partial("the put-back was begun and is not finished".into())),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        Down::require(step).map_err(|fault| stale(fault.message))?;
        let open = step.run().put_back_plan.clone();
        if only_marked(step)? {
            return Ok(Before::default());
        }
        let plan = match open {
            // Once the marker or an exchange is there, nothing that could have changed the decision has run.
            Some(plan) if step.marker().exists() || inode(&step.server()) == Some(plan.kept_inode) => plan,
            _ => decide_under_marker(step)?,
        };
        Ok(Before { put_back: Some(Box::new(plan)), ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<PutBackProof, Fault> {
        if only_marked(step)? {
            drop_marker(step)?;
            return match never_left(step)? {
                Found::Done(proof) => Ok(proof),
                _ => Err(failed("without its marker nothing should be left to put back")),
            };
        }
        let plan = step.run().put_back_plan.clone().ok_or_else(|| failed("the put-back has no plan"))?;
        put_back(step, &plan, None)?;
        Ok(proof(step, &plan))
    }

    fn remembered(run: &NodeRun, _: &PutBackProof) -> bool {
        run.put_back.is_some() || nothing_to_put_back(run)
    }

    fn proof(proof: &PutBackProof) -> Proof {
        Proof::PutBack(PutBackSummary::of(proof))
    }

    fn reply(proof: PutBackProof) -> Reply {
        Reply::PutBack(Box::new(proof))
    }
}

/// The lines, in their order. `stop_after` ends after that many of them, as a power cut would: for tests.
pub(crate) fn put_back(step: &mut Step<'_>, plan: &PutBackPlan, stop_after: Option<usize>) -> Result<(), Fault> {
    type Line = fn(&mut Step<'_>, &PutBackPlan) -> Result<(), Fault>;
    let lines: [(&str, Line); 7] = [
        ("setting the marker", set_marker),
        ("raising the revision of the kept datastore", raise_revision),
        ("carrying over files of the user", carry_over),
        ("exchanging the server directories", exchange_servers),
        ("exchanging the binary", exchange_binary),
        ("moving the links of data/", move_links),
        ("removing the marker", remove_marker),
    ];
    let total = lines.len() as u64;
    for (done, (doing, line)) in lines.into_iter().enumerate() {
        if stop_after == Some(done) {
            return Err(failed(format!("stopped before {doing}")));
        }
        step.channel.progress(doing, done as u64, total);
        line(step, plan)?;
    }
    Ok(())
}

fn exchanged(step: &Step<'_>, plan: &PutBackPlan) -> Result<bool, Fault> {
    let (live, beside) = (inode(&step.server()), inode(Path::new(&plan.keep)));
    match (live, beside) {
        (Some(live), Some(beside)) if (live, beside) == (plan.kept_inode, plan.abandoned_inode) => Ok(true),
        (Some(live), Some(beside)) if (live, beside) == (plan.abandoned_inode, plan.kept_inode) => Ok(false),
        _ => Err(human(
            format!("{} and {} are not the two directories of this run", step.server().display(), plan.keep),
            "somebody has moved them; restore the online backup of this run",
        )),
    }
}

fn set_marker(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    raise_marker(step, &plan.keep)
}

pub(crate) fn raise_marker(step: &mut Step<'_>, keep: &str) -> Result<(), Fault> {
    install_interlock(step)?;
    let marker = step.marker();
    if mutated(Mutant::ForgetInterlock) {
        return Ok(());
    }
    let text = format!("Belay run {} is exchanging {} with {keep}\n", step.mutation.run, step.server().display());
    durable::replace(&marker, text.as_bytes(), 0o600).attempt(|| format!("{} could not be written", marker.display()))
}

fn raise_revision(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    if exchanged(step, plan)? || mutated(Mutant::ForgetRevision) {
        return Ok(());
    }
    // Into the copy, before it is live: a start in between is impossible, and one after it begins above.
    let raised = datastore::raise_revision(Path::new(&plan.keep), step.target().datastore, plan.revision);
    raised.attempt(|| "revisions would run backwards for clients (invariant I11)")
}

fn carry_over(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    if exchanged(step, plan)? {
        return Ok(());
    }
    carry::carry_over(&step.server(), Path::new(&plan.keep), &plan.carry)
}

fn exchange_servers(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    if exchanged(step, plan)? && !mutated(Mutant::ExchangeBlindly) {
        return Ok(());
    }
    let server = step.server();
    durable::exchange(Path::new(&plan.keep), &server)
        .attempt(|| format!("{} could not be exchanged with {}", server.display(), plan.keep))
}

fn exchange_binary(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    if mutated(Mutant::MarkerGoneEarly) {
        remove_marker(step, plan)?;
    }
    if step.binary_digest()? == plan.old {
        return Ok(());
    }
    let slot = PathBuf::from(&plan.slot);
    if step.slot_digest()? != Some(plan.old) {
        return Err(human(
            format!("the old binary is not in the slot {}", slot.display()),
            "put the old binary from the backup of this run into its place, then `belay resume`",
        ));
    }
    exchange(step)
}

fn move_links(step: &mut Step<'_>, plan: &PutBackPlan) -> Result<(), Fault> {
    if mutated(Mutant::ForgetLinks) {
        return Ok(());
    }
    set_links(&step.data_dir(), &plan.links)?;
    for path in [step.server(), step.binary()] {
        durable::sync_parent(&path).attempt(|| format!("{} could not be made durable", path.display()))?;
    }
    Ok(())
}

fn remove_marker(step: &mut Step<'_>, _: &PutBackPlan) -> Result<(), Fault> {
    drop_marker(step)
}

pub(crate) fn drop_marker(step: &Step<'_>) -> Result<(), Fault> {
    let marker = step.marker();
    durable::remove(&marker).attempt(|| format!("{} could not be removed", marker.display()))
}

/// The decision reads whole datastores, which takes a while: from before it until the last exchange the marker keeps
/// K3s down, and that K3s is down is looked at once more under it. Where nothing is decided, the marker goes again.
fn decide_under_marker(step: &mut Step<'_>) -> Result<PutBackPlan, Fault> {
    let kept = step.run().kept.as_ref().map(|kept| kept.path.clone()).unwrap_or_default();
    raise_marker(step, &kept)?;
    let decided = Down::require(step).map_err(|fault| stale(fault.message)).and_then(|_| decide(step));
    if decided.is_err() {
        drop_marker(step)?;
    }
    decided
}

/// Decides everything before the first exchange, and writes the list of what is lost.
fn decide(step: &mut Step<'_>) -> Result<PutBackPlan, Fault> {
    let kept = step.run().kept.clone().ok_or_else(|| refused("there is no stopped copy to put back"))?;
    let target = step.target().clone();
    // A restore exchanges both under its marker, and may have been cut between the two; in class binary the old version
    // is swapped back before, and its data did not hold.
    let binary = step.binary_digest()?;
    let back_already = step.run().restore_plan.is_some() || step.run().is_binary();
    if binary != target.new && (!back_already || binary != target.old) {
        return Err(refused(
            "the new version is not in place: what was kept may be older than what is live (swap-back)",
        ));
    }
    let live = check_sides(step, &kept)?;
    let found = Installation::of_unit(step.places, &target.unit)?;
    token::matches(&found.config, Path::new(&kept.path)).map_err(|why| {
        human(format!("nothing was put back: {why}"), "set the old token in the configuration, then `belay resume`")
    })?;
    let Op::PutBack { seen } = step.mutation.op else { return Err(refused("this is not a put-back")) };
    let seen = seen.max(step.run().turned.unwrap_or(0));
    let what = || "the kept datastore could not be read";
    let kept_read = Datastore::of_server(Path::new(&kept.path), target.datastore).attempt(what)?;
    let kept_revision = kept_read.revision().attempt(what)?;
    step.channel.progress("comparing the two datastores", 0, 0);
    // The abandoned version may have left anything behind; that must not be in the way of going back.
    let abandoned = Datastore::of_server(&step.server(), target.datastore).and_then(|abandoned| {
        Ok((abandoned.revision()?, compare(&kept_read, since(step, kept_revision), &abandoned)?))
    });
    let (abandoned_revision, lost) = match abandoned {
        Ok((revision, lost)) => (Some(revision), lost),
        Err(_) => (None, Lost::default()),
    };
    drop(kept_read);
    // A full disk must not stop a way back for the sake of a list: both datastores are still there to be compared again.
    let _ = serde_json::to_vec(&lost).map(|json| durable::replace(&step.lost(), &json, 0o600));
    let highest = kept_revision.max(abandoned_revision.unwrap_or(0)).max(seen);
    let margin = if abandoned_revision.is_some() { MARGIN } else { LARGE_MARGIN };
    Ok(PutBackPlan {
        kept_inode: kept.keep_inode,
        abandoned_inode: live,
        carry: carry::to_carry(&step.server(), Path::new(&kept.path))?,
        keep: kept.path,
        old: target.old,
        slot: step.slot().to_string_lossy().into_owned(),
        links: kept.links,
        revision: highest.saturating_add(margin),
        kept_revision,
        abandoned_revision,
        begun_up: step.now().uptime.as_millis(),
    })
}

/// Where the abandoned datastore began to be another one.
fn since(step: &Step<'_>, kept_revision: u64) -> Since {
    match step.run().restore_plan.as_ref().filter(|plan| inode(&step.server()) == Some(plan.kept_inode)) {
        Some(restored) => Since::restored(restored.revision),
        None => Since::forked(kept_revision),
    }
}

/// The two directories are those of the stopped copy, or the one that was restored in the place of the first, and the
/// copy is what it was. Returns the inode of the live one.
fn check_sides(step: &Step<'_>, kept: &KeepProof) -> Result<u64, Fault> {
    let restored = step.run().restore_plan.as_ref().map(|plan| plan.kept_inode);
    let live = inode(&step.server()).filter(|live| *live == kept.server_inode || Some(*live) == restored);
    let copy = inode(Path::new(&kept.path)).filter(|copy| *copy == kept.keep_inode);
    let (Some(live), Some(_)) = (live, copy) else {
        return Err(human(
            format!("{} and {} are not the directories of this run", step.server().display(), kept.path),
            "somebody has moved them; restore the online backup of this run",
        ));
    };
    if !is_marked(Path::new(&kept.path), step.target().datastore, &kept.mark)? {
        // A first try may have raised it already: then it differs by that row, and is whole.
        if !raised_by_us(step, kept) {
            return Err(human(
                format!("the stopped copy {} was altered", kept.path),
                "restore the online backup of this run",
            ));
        }
    }
    Ok(live)
}

fn raised_by_us(step: &Step<'_>, kept: &KeepProof) -> bool {
    let Some(plan) = &step.run().put_back_plan else { return false };
    Datastore::of_server(Path::new(&kept.path), step.target().datastore)
        .and_then(|database| database.revision())
        .is_ok_and(|revision| revision == plan.revision)
}

/// When a boot found that the new version had never run, it swapped the binaries back: a coordinator that was killed
/// between its intent to start and the start itself asks for a put-back, and there is nothing left to put back. Nor is
/// there when a restore was refused before it was decided, or when class binary falls and the new version has never lived.
fn nothing_to_put_back(run: &NodeRun) -> bool {
    run.swapped_back && run.kept.is_none() || run.stayed_old() || run.rebuilt.is_some() && run.restore_plan.is_none()
}

/// A restore that set its marker and could not journal its intent has exchanged nothing: only the marker is taken away, which
/// would keep K3s down for ever.
fn only_marked(step: &Step<'_>) -> Result<bool, Fault> {
    let undecided = step.run().put_back_plan.is_none() && nothing_to_put_back(step.run());
    Ok(undecided && step.marker().exists() && step.binary_digest()? == step.target().old)
}

fn never_left(step: &Step<'_>) -> Result<Found<PutBackProof>, Fault> {
    let digest = step.binary_digest()?;
    if digest != step.target().old {
        return Ok(Found::NotDone);
    }
    let revision = Datastore::of_server(&step.server(), step.target().datastore).and_then(|read| read.revision());
    let revision = revision.attempt(|| "the datastore could not be read")?;
    Ok(Found::Done(PutBackProof {
        server_inode: inode(&step.server()).unwrap_or(0),
        abandoned: String::new(),
        digest,
        revision,
        kept_revision: revision,
        abandoned_revision: None,
        links: data_links(&step.data_dir()),
        carried: Vec::new(),
        lost_complete: true,
        lost: Vec::new(),
        lost_unlisted: 0,
        uncounted: std::collections::BTreeMap::new(),
        took: Span::ZERO,
    }))
}

/// The list as it was written when the put-back was decided; compared again where that could not be written and K3s has
/// not run on what was put back.
fn lost(step: &Step<'_>, plan: &PutBackPlan) -> Lost {
    let written = fs::read(step.lost()).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let again = || {
        let kind = step.target().datastore;
        let kept = Datastore::of_server(&step.server(), kind).ok()?;
        let abandoned = Datastore::of_server(Path::new(&plan.keep), kind).ok()?;
        // The raised row is the only one above what the copy had when it was made.
        let since = match &step.run().restore_plan {
            Some(restored) if restored.kept_inode == plan.abandoned_inode => Since::restored(restored.revision),
            _ => Since::forked(plan.kept_revision),
        };
        compare(&kept, since, &abandoned).ok()
    };
    let fresh = step.run().started.as_ref().is_none_or(|_| step.run().stopped.is_some());
    written.or_else(|| if fresh { again() } else { None }).unwrap_or_default()
}

fn proof(step: &Step<'_>, plan: &PutBackPlan) -> PutBackProof {
    told(step, plan, lost(step, plan))
}

/// The evidence of an exchange, with what it leaves behind.
pub(crate) fn told(step: &Step<'_>, plan: &PutBackPlan, lost: Lost) -> PutBackProof {
    let took = step.now().uptime.as_millis().saturating_sub(plan.begun_up);
    let mut listed = lost.objects;
    let unlisted = listed.len().saturating_sub(LISTED);
    listed.truncate(LISTED);
    PutBackProof {
        server_inode: plan.kept_inode,
        abandoned: plan.keep.clone(),
        digest: plan.old,
        revision: plan.revision,
        kept_revision: plan.kept_revision,
        abandoned_revision: plan.abandoned_revision,
        links: data_links(&step.data_dir()),
        carried: plan.carry.clone(),
        lost_complete: lost.complete,
        lost: listed,
        lost_unlisted: unlisted as u64,
        uncounted: lost.uncounted,
        took: Span::millis(took),
    }
}
