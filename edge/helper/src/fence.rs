//! `fence`: takes the node for one run.

use std::fs;
use std::path::Path;

use belay_facts::{Coordinator, DatastoreKind, Digest, Life, Mutant, mutated};
use belay_journal::durable;
use belay_wire::{Fault, FaultKind, FenceProof, Mutation, Op, Reply, Way};
use serde::{Deserialize, Serialize};

use crate::datastore::refuse_unknown;
use crate::etcd;
use crate::fault::{Attempt as _, fault, refused};
use crate::keep::refuse_mounts;
use crate::node_run::{Before, NodeRun, Proof, open_runs};
use crate::step::{Effect, Found, Step, start_reserve};
use crate::unit::daemon_reload;
use crate::{Installation, Places, token};

/// For the journal's records, the list of lost objects and the row of a put-back, given up when the run turns.
const SECOND_RESERVE: u64 = 4 * 1024 * 1024;

/// What the node remembers about who may change it: `fence`, replaced durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub run: String,
    pub generation: u64,
    /// The last channel over which that generation has changed something.
    #[serde(default)]
    pub channel: u32,
    pub plan: Option<Digest>,
    /// Who took it last, and since when; `None` in older records, and where the node took itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Coordinator>,
}

impl Holder {
    pub(crate) fn read(places: &Places) -> Result<Option<Self>, Fault> {
        let path = places.state.join("fence");
        let what = || format!("{} could not be read", path.display());
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            bytes => serde_json::from_slice(&bytes.attempt(what)?).map(Some).attempt(what),
        }
    }

    pub(crate) fn write(&self, places: &Places) -> Result<(), Fault> {
        let path = places.state.join("fence");
        let what = || format!("{} could not be written", path.display());
        durable::replace(&path, &serde_json::to_vec(self).attempt(what)?, 0o600).attempt(what)
    }
}

/// Whether the coordinator that signed lives, as this node sees it.
pub(crate) fn signed(places: &Places, by: Option<&Coordinator>) -> Life {
    by.map_or(Life::Unknown, |by| belay_journal::life(by, &places.proc))
}

/// A generation is one life of one coordinator's: whoever goes on with a run raises it first. Where one side does not say who
/// it is, nothing can be told.
pub(crate) fn refuse_another(
    places: &Places,
    holder: &Holder,
    generation: u64,
    by: Option<&Coordinator>,
) -> Result<(), Fault> {
    let another = holder.by.as_ref().zip(by).is_some_and(|(holder, by)| !holder.is_same(by));
    if generation != holder.generation || !another {
        return Ok(());
    }
    let words = holder_words(places, holder.by.as_ref());
    let message = format!(
        "generation {generation} of run {0} is another process's: this node is held{words}; `belay resume {0}` takes it over",
        holder.run
    );
    Err(fault(FaultKind::Fenced, message))
}

/// "by root on n1 (process 7) since …, which lives".
fn holder_words(places: &Places, by: Option<&Coordinator>) -> String {
    by.map_or_else(String::new, |by| format!(", for {by} since {}, {}", by.since(), signed(places, Some(by)).words()))
}

/// Lets a request through, or says who holds the node (invariant I17).
pub(crate) fn admit(places: &Places, mutation: &Mutation, by: Option<Coordinator>) -> Result<(), Fault> {
    let fenced = |message: String| Err(fault(FaultKind::Fenced, message));
    if let Some(other) = open_runs(places).iter().find(|other| other.id != mutation.run) {
        let holder = Holder::read(places)?.filter(|holder| holder.run == other.id);
        let words = holder_words(places, holder.and_then(|holder| holder.by).as_ref());
        // Who has not taken it has changed nothing; whether it had, is what a probe finds out.
        let fresh = matches!(mutation.op, Op::Fence { .. }) && mutation.way == Way::Do;
        let kind = if fresh { FaultKind::Refused } else { FaultKind::Fenced };
        let message = format!(
            "run {0} holds this node{words}, and has not ended ({1}); where it was begun `belay watch {0}` follows it, \
             `belay halt {0}` stops it, and `belay resume {0}` or `belay rollback {0}` ends it",
            other.id, other.last
        );
        return Err(fault(kind, message));
    }
    let holder = Holder::read(places)?;
    let taking = matches!(mutation.op, Op::Fence { .. });
    if let Some(holder) = holder.as_ref().filter(|holder| holder.run == mutation.run) {
        refuse_another(places, holder, mutation.generation, by.as_ref())?;
    }
    match holder {
        Some(holder)
            if holder.run == mutation.run && mutation.generation < holder.generation && !mutated(Mutant::DropFence) =>
        {
            return fenced(format!(
                "generation {} of run {} is too old: this node has been taken over by generation {}{}",
                mutation.generation,
                holder.run,
                holder.generation,
                holder_words(places, holder.by.as_ref())
            ));
        }
        Some(holder)
            if holder.run == mutation.run
                && (mutation.generation, mutation.channel) < (holder.generation, holder.channel) =>
        {
            return fenced(format!(
                "channel {} of generation {} was given up: its coordinator has asked over channel {} since",
                mutation.channel, mutation.generation, holder.channel
            ));
        }
        // A probe changes nothing, not even this.
        Some(holder) if holder.run == mutation.run && (taking || mutation.way == Way::Probe) => {}
        Some(holder)
            if holder.run == mutation.run
                && (mutation.generation, mutation.channel) > (holder.generation, holder.channel) =>
        {
            let (generation, channel) = (mutation.generation, mutation.channel);
            let by = if generation > holder.generation { by } else { holder.by.clone() };
            Holder { generation, channel, by, ..holder }.write(places)?;
        }
        Some(holder) if holder.run == mutation.run => sync_fence(places)?,
        Some(holder) if !taking => {
            return fenced(format!("run {} has taken this node since; run {} is over", holder.run, mutation.run));
        }
        // A fence that failed before it was there: nothing was taken, and all of it may be released.
        None if matches!(mutation.op, Op::Release { .. }) => {}
        None if !taking => return Err(refused(format!("run {} has not taken this node (fence)", mutation.run))),
        _ => {}
    }
    let run = NodeRun::read(places, &mutation.run).attempt(|| "the node's journal could not be read")?;
    if let Some(state) = run.and_then(|run| run.ended)
        && !matches!(mutation.op, Op::Release { .. })
        && mutation.way == Way::Do
    {
        return Err(refused(format!("run {} has ended on this node ({state})", mutation.run)));
    }
    Ok(())
}

/// A raise whose last sync failed is read back as if it had succeeded, and after a power cut it may be gone: nothing is
/// changed under a fence that is not durable.
fn sync_fence(places: &Places) -> Result<(), Fault> {
    let path = places.state.join("fence");
    durable::sync_parent(&path).attempt(|| format!("{} could not be made durable", path.display()))
}

pub(crate) struct Fence;

impl Effect for Fence {
    type Proof = FenceProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<FenceProof>, Fault> {
        let Op::Fence { reserve, .. } = step.mutation.op else { return Ok(Found::NotDone) };
        let held = Holder::read(step.places)?
            .is_some_and(|holder| holder.run == step.mutation.run && holder.generation == step.mutation.generation);
        let interlock = step.places.interlock(&step.target().unit);
        let there = is_text(&interlock, &interlock_text(step))
            && is_text(&step.places.guard_unit(), &guard_text(step))
            && step.places.guard_wanted().is_symlink()
            && same_file(&step.places.own_exe, &step.places.helper)
            && (!needs_reserve(step) || reserve == 0 || step.reserve().exists());
        match (&step.run().fenced, held && there) {
            (Some(proof), true) if proof.generation == step.mutation.generation => Ok(Found::Done(proof.clone())),
            (None, false) if !held => Ok(Found::NotDone),
            _ => Ok(Found::Partial("the fence is not complete".into())),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let target = step.target();
        refuse_unknown(&step.server(), target.datastore)?;
        let found = Installation::of_unit(step.places, &target.unit)?;
        if found.unit.fragment.is_empty() && found.unit.load_state != "loaded" {
            return Err(refused(format!("systemd knows no unit {}", target.unit)));
        }
        if !step.data_dir().is_dir() {
            return Err(refused(format!("there is no data directory {}", target.data_dir)));
        }
        // What would stop the way back with K3s down is asked while it still runs.
        refuse_mounts(step)?;
        token::matches(&found.config, &step.server()).map_err(|why| refused(format!("no way back: {why}")))?;
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<FenceProof, Fault> {
        let Op::Fence { plan, reserve } = step.mutation.op else { return Err(refused("this is not a fence")) };
        let (places, generation, channel) = (step.places, step.mutation.generation, step.mutation.channel);
        let by = step.channel.by().cloned();
        Holder { run: step.mutation.run.clone(), generation, channel, plan: Some(plan), by }.write(places)?;
        install_helper(places)?;
        install_interlock(step)?;
        let reserved = if needs_reserve(step) { reserve_space(&step.reserve(), reserve)? } else { 0 };
        if step.run().turned.is_none() {
            reserve_space(&step.second_reserve(), SECOND_RESERVE)?;
            reserve_space(&start_reserve(step.target(), &step.mutation.run), needed_at_start(step))?;
        }
        Ok(FenceProof {
            generation,
            boot_id: step.now().boot_id,
            interlock: places.interlock(&step.target().unit).to_string_lossy().into_owned(),
            reserved,
        })
    }

    fn remembered(run: &NodeRun, proof: &FenceProof) -> bool {
        run.fenced.as_ref() == Some(proof)
    }

    fn proof(proof: &FenceProof) -> Proof {
        Proof::Fenced(proof.clone())
    }

    fn reply(proof: FenceProof) -> Reply {
        Reply::Fenced(proof)
    }
}

/// What K3s itself needs for a start over etcd, without which on a full disk no version starts, the old one neither: it first reads
/// its bootstrap keys from a copy of the database in `db/etcd-tmp` (k3s-facts §2.4, pkg/cluster/bootstrap.go); etcd then fills the
/// segment of its log that a copy has only as a hole, and allocates the next one at once (server/storage/wal/file_pipeline.go),
/// which takes what is left where it does not fit.
fn needed_at_start(step: &Step<'_>) -> u64 {
    match step.target().datastore {
        DatastoreKind::Etcd => {
            let database = fs::metadata(step.server().join(etcd::DATABASE)).map_or(0, |database| database.len());
            database.saturating_add(2 * etcd::SEGMENT)
        }
        DatastoreKind::Sqlite | DatastoreKind::External => 0,
    }
}

/// Once the copy was made, its space is used: a later generation reserves nothing.
fn needs_reserve(step: &Step<'_>) -> bool {
    step.run().kept.is_none() && !step.run().swap_intended && !step.keep().exists()
}

fn reserve_space(path: &Path, bytes: u64) -> Result<u64, Fault> {
    if bytes == 0 {
        return Ok(0);
    }
    let what = || format!("{bytes} bytes could not be reserved at {}", path.display());
    durable::reserve(path, bytes).attempt(what)?;
    Ok(bytes)
}

fn install_helper(places: &Places) -> Result<(), Fault> {
    if same_file(&places.own_exe, &places.helper) {
        return Ok(());
    }
    let what = || format!("the helper could not be installed at {}", places.helper.display());
    let own = fs::read(&places.own_exe).attempt(what)?;
    if let Some(dir) = places.helper.parent() {
        durable::create_dir(dir, 0o755).attempt(what)?;
    }
    durable::replace(&places.helper, &own, 0o755).attempt(what)
}

fn same_file(a: &Path, b: &Path) -> bool {
    let digest = |path| crate::digests::digest_file(path).ok();
    digest(a).is_some_and(|a| digest(b) == Some(a))
}

/// Writes interlock and boot unit where they differ, and makes systemd read them.
pub(crate) fn install_interlock(step: &Step<'_>) -> Result<(), Fault> {
    let places = step.places;
    let interlock = places.interlock(&step.target().unit);
    let guard = places.guard_unit();
    let mut changed = false;
    for (path, text) in [(&interlock, interlock_text(step)), (&guard, guard_text(step))] {
        if is_text(path, &text) {
            continue;
        }
        let what = || format!("{} could not be written", path.display());
        if let Some(dir) = path.parent() {
            durable::create_dir(dir, 0o755).attempt(what)?;
        }
        durable::replace(path, text.as_bytes(), 0o644).attempt(what)?;
        changed = true;
    }
    let wanted = places.guard_wanted();
    if fs::read_link(&wanted).ok().as_deref() != Some(guard.as_path()) {
        let what = || format!("{} could not be enabled", guard.display());
        if let Some(dir) = wanted.parent() {
            durable::create_dir(dir, 0o755).attempt(what)?;
        }
        durable::replace_link(&wanted, &guard).attempt(what)?;
        changed = true;
    }
    // Also when nothing was written: a crash may have come between the file and the reload.
    if changed || step.run().fenced.is_none() {
        daemon_reload(places)?;
    }
    Ok(())
}

pub(crate) fn is_text(path: &Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|content| content == text.as_bytes())
}

/// An assertion, not a condition: an unmet condition ends with success, and nobody sees why K3s is down.
fn interlock_text(step: &Step<'_>) -> String {
    let marker = step.marker().to_string_lossy().replace('%', "%%");
    format!(
        "# Written by Belay for run {run}; removed when it ends. While the marker is there, `server` is being exchanged,\n\
         # and a start in between would make an empty cluster. `belay resume` or a boot finishes it.\n\
         [Unit]\nAssertPathExists=!{marker}\nRequiresMountsFor={mounts}\n",
        run = step.mutation.run,
        mounts = quoted(&step.target().data_dir),
    )
}

fn guard_text(step: &Step<'_>) -> String {
    let helper = step.places.helper.to_string_lossy();
    let binary = step.binary();
    let paths = [&step.places.state, &step.data_dir(), binary.parent().unwrap_or(&binary)]
        .map(|path: &Path| quoted(&path.to_string_lossy()))
        .join(" ");
    format!(
        "# Written by Belay for run {run}; removed when it ends.\n\
         [Unit]\nDescription=Belay: finish an open way back\nRequiresMountsFor={paths}\nBefore={unit}\n\n\
         [Service]\nType=oneshot\nExecStart={helper} recover\nTimeoutStartSec=1800\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        run = step.mutation.run,
        unit = step.target().unit,
    )
}

/// A path as a word of a unit file.
pub(crate) fn quoted(path: &str) -> String {
    let path = path.replace('%', "%%");
    if path.contains([' ', '\t']) { format!("\"{path}\"") } else { path }
}
