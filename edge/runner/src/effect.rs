use std::path::Path;

use belay_engine::{Event, Fault, FaultKind, ProbeState, Record};
use belay_facts::{Span, Workload};
use belay_plan::{GateName, Step, StepKind};
use belay_wire::{ArtifactSpec, Op, Reply, StageProof, StartProof, StepProbe, Way};
use serde_json::Value;

use crate::book::Book;
use crate::copy_off::copy_off;
use crate::gates::{self, Expectation};
use crate::session::{Session, fault};
use crate::{RunError, backup_copy};

/// Carries out one step: on the node through its helper, or here by asking gates. The intent is journalled already.
pub async fn carry_out(
    session: &mut Session,
    step: &Step,
    book: &mut Book,
    artifact: &Path,
) -> Result<Result<Value, Fault>, RunError> {
    // The node is fenced, and K3s is not touched for some seconds: the baseline finds its canary done.
    let baseline = book.plan().steps().find(|step| step.kind == StepKind::Baseline);
    if step.kind == StepKind::Stage && baseline.is_some_and(|step| step.gates.contains(&GateName::CanaryPod)) {
        let _ = session.begin_canary(false).await;
    }
    match step.kind {
        StepKind::Baseline => before_the_stop(session, step, book).await,
        StepKind::Gate => gate(session, step, book).await,
        StepKind::Soak => {
            let expected = expectation(session, step, book);
            gates::soak(session, step, &expected, book).await
        }
        StepKind::CopyBackup => Ok(copy_backup(session, step, book).await),
        StepKind::Start => Ok(start(session, step, book).await),
        _ => Ok(on_node(session, step, book, artifact).await),
    }
}

/// Whether a step was done, when its outcome is not known.
pub async fn find_out(session: &mut Session, step: &Step) -> Result<(ProbeState, Value, String), Fault> {
    let Some(op) = operation(session, step, 0) else {
        return Ok((ProbeState::NotDone, Value::Null, "asking again is harmless".to_owned()));
    };
    let reply = session.ask(step, Way::Probe, op, |_| {}).await.map_err(|error| fault(&error))?;
    match reply {
        Reply::Probe(StepProbe::Done { .. })
            if step.kind == StepKind::ProveBackup && session.copy.as_ref().is_some_and(|copy| !copy.exists()) =>
        {
            Ok((ProbeState::Partial, Value::Null, "it is proven on the node, and not copied off it yet".to_owned()))
        }
        Reply::Probe(StepProbe::Done { proof }) => Ok((ProbeState::Done, proof, "the effect is there".to_owned())),
        Reply::Probe(StepProbe::NotDone) => Ok((ProbeState::NotDone, Value::Null, "nothing of it is there".to_owned())),
        Reply::Probe(StepProbe::Partial { what }) => Ok((ProbeState::Partial, Value::Null, what)),
        other => Err(confused(session, step, &other)),
    }
}

/// The same, and what is there is confirmed: done again it changes nothing, and the node makes it durable and remembers it, as
/// whoever was killed in it did not. A step that is there and cannot be confirmed is not done yet.
pub async fn settle(
    session: &mut Session,
    step: &Step,
    book: &Book,
    artifact: &Path,
) -> Result<(ProbeState, Value, String), Fault> {
    let (state, _, says) = find_out(session, step).await?;
    if state != ProbeState::Done {
        return Ok((state, Value::Null, says));
    }
    match on_node(session, step, book, artifact).await {
        Ok(proof) => Ok((ProbeState::Done, proof, says)),
        Err(fault) if fault.kind.leaves_doubt() || fault.kind == FaultKind::Fenced => Err(fault),
        Err(fault) => Ok((ProbeState::Partial, Value::Null, format!("{says}, and not confirmed: {}", fault.message))),
    }
}

async fn on_node(session: &mut Session, step: &Step, book: &Book, artifact: &Path) -> Result<Value, Fault> {
    let seen = book.state().seen().max(session.prober.seen_revision().unwrap_or(0));
    let op = operation(session, step, seen).ok_or_else(|| Fault {
        kind: FaultKind::Failed,
        message: format!("{} is no step for a node", step.id),
        hint: None,
    })?;
    let progress = |told: belay_wire::Progress| book.progress(&told.doing, told.done, told.total);
    let reply = if matches!(op, Op::Stage { have: None, .. }) {
        session.ask_with_file(step, op, artifact, progress).await
    } else {
        session.ask(step, Way::Do, op, progress).await
    };
    let reply = reply.map_err(|error| fault(&error))?;
    let mut proven = proof(step.kind, &reply).ok_or_else(|| confused(session, step, &reply))?;
    if let (Reply::Proven(receipt), Some(to)) = (&reply, session.copy.clone())
        && let Some(map) = proven.as_object_mut()
    {
        map.insert("copy".to_owned(), backup_copy::copy(session, receipt, &to, book).await?);
    }
    Ok(proven)
}

/// The operation on the node that a step stands for.
fn operation(session: &Session, step: &Step, seen: u64) -> Option<Op> {
    Some(match step.kind {
        StepKind::Fence => Op::Fence { plan: session.plan, reserve: reserve(session) },
        StepKind::Stage => {
            let artifact = session.artifact.as_ref()?;
            let (tag, digest, size) = (session.target.new_version.clone(), artifact.sha256, artifact.size);
            let have = session.restore.as_ref().map(|restore| restore.binary.clone());
            Op::Stage { artifact: ArtifactSpec { tag, digest, size }, have }
        }
        StepKind::Backup => Op::Backup,
        StepKind::ProveBackup => Op::ProveBackup,
        StepKind::ArmGuard => Op::ArmGuard { lease: step.lease? },
        StepKind::Stop => Op::Stop,
        StepKind::Keep => Op::Keep,
        StepKind::Swap => Op::Swap,
        StepKind::Rebuild => {
            let restore = session.restore.as_ref()?;
            Op::Rebuild { what: restore.what, run: restore.run.clone() }
        }
        StepKind::Restore => Op::Restore { seen },
        StepKind::Start => Op::Start,
        StepKind::SwapBack => Op::SwapBack,
        StepKind::PutBack => Op::PutBack { seen },
        StepKind::Commit => Op::Release { keep_way_back: true },
        StepKind::Release => Op::Release { keep_way_back: false },
        StepKind::CopyBackup | StepKind::Baseline | StepKind::Gate | StepKind::Soak => return None,
    })
}

/// What `keep` will need and 20 % more, and a little for the journal (design.md §5).
fn reserve(session: &Session) -> u64 {
    // Who stages nothing keeps nothing.
    if session.artifact.is_none() {
        return 0;
    }
    let size =
        session.before.nodes.first().and_then(|node| node.datastore.as_ref()).map_or(0, |datastore| datastore.size);
    size.saturating_add(size / 5).saturating_add(16 * 1024 * 1024)
}

/// The proof inside an answer, as it is journalled. Only the answer that belongs to the step is one.
fn proof(kind: StepKind, reply: &Reply) -> Option<Value> {
    let value = match (kind, reply) {
        (StepKind::Fence, Reply::Fenced(proof)) => serde_json::to_value(proof),
        (StepKind::Stage, Reply::Staged(proof)) => serde_json::to_value(proof),
        (StepKind::Backup, Reply::BackedUp { path, bytes }) => Ok(serde_json::json!({ "path": path, "bytes": bytes })),
        (StepKind::ProveBackup, Reply::Proven(receipt)) => serde_json::to_value(receipt),
        (StepKind::ArmGuard, Reply::Armed(proof)) => serde_json::to_value(proof),
        (StepKind::Stop, Reply::Stopped(proof)) => serde_json::to_value(proof),
        (StepKind::Keep, Reply::Kept(proof)) => serde_json::to_value(proof),
        (StepKind::Swap | StepKind::SwapBack, Reply::Swapped(proof)) => serde_json::to_value(proof),
        (StepKind::Start, Reply::Started(proof)) => serde_json::to_value(proof),
        (StepKind::Rebuild, Reply::Rebuilt(proof)) => serde_json::to_value(proof),
        (StepKind::Restore | StepKind::PutBack, Reply::PutBack(proof)) => serde_json::to_value(proof),
        (StepKind::Commit | StepKind::Release, Reply::Released(proof)) => serde_json::to_value(proof),
        _ => return None,
    };
    value.ok()
}

/// Here, where the directory is: the plan names a place of the coordinator.
async fn copy_backup(session: &Session, step: &Step, book: &Book) -> Result<Value, Fault> {
    let failed = |message: String| Fault { kind: FaultKind::Failed, message, hint: None };
    let plan = book.plan();
    let to = plan.backup_to.clone().ok_or_else(|| failed(format!("{} has no directory to copy to", step.id)))?;
    let receipt = book.state().proof(&format!("{}.{}", step.node, StepKind::ProveBackup)).cloned();
    let receipt = receipt.ok_or_else(|| failed(format!("{} has no receipt of a backup", step.id)))?;
    book.doing(&format!("copying the backup to {to}"));
    let (cluster, run) = (plan.cluster.id.clone(), plan.id.clone());
    // Of a node that is another machine, `prove-backup` has brought the backup here.
    let from = session.copy.clone();
    let copying = move || copy_off(&receipt, from.as_deref(), Path::new(&to), &cluster, &run);
    tokio::task::spawn_blocking(copying).await.map_err(|error| failed(format!("the copy was given up: {error}")))?
}

async fn start(session: &mut Session, step: &Step, book: &Book) -> Result<Value, Fault> {
    let progress = |told: belay_wire::Progress| book.progress(&told.doing, told.done, told.total);
    let reply = session.ask(step, Way::Do, Op::Start, progress).await.map_err(|error| fault(&error))?;
    let value = proof(step.kind, &reply).ok_or_else(|| confused(session, step, &reply))?;
    // K3s renews certificates at a start when they are near their end; what cannot be renewed now is asked again by the gates.
    let _ = session.renew_credentials().await;
    Ok(value)
}

async fn before_the_stop(
    session: &mut Session,
    step: &Step,
    book: &mut Book,
) -> Result<Result<Value, Fault>, RunError> {
    let expected = expectation(session, step, book);
    // Listed while the gates are asked: on K3s the API server takes up to a second for a consistent list.
    let listing = session.api().await.map(|api| tokio::spawn(async move { api.workloads().await }));
    let answered = gates::ask_all(session, step, &expected, book).await?;
    let mut proof = match answered {
        Ok(proof) => proof,
        Err(fault) => return Ok(Err(fault)),
    };
    let listed = match listing {
        Ok(listing) => listing
            .await
            .map_err(|error| error.to_string())
            .and_then(|listed| listed.map_err(|error| error.to_string())),
        Err(error) => Err(error.to_string()),
    };
    let workloads = match listed {
        Ok(workloads) => workloads,
        // "Nothing ran before" would make every later answer a yes that means nothing.
        Err(error) => {
            let message = format!("the workloads could not be listed before the stop: {error}");
            return Ok(Err(Fault { kind: FaultKind::Inconclusive, message, hint: None }));
        }
    };
    if let Some(map) = proof.as_object_mut() {
        map.insert("workloads".to_owned(), serde_json::json!(workloads));
    }
    Ok(Ok(proof))
}

async fn gate(session: &mut Session, step: &Step, book: &mut Book) -> Result<Result<Value, Fault>, RunError> {
    let expected = expectation(session, step, book);
    let answered = gates::ask_all(session, step, &expected, book).await?;
    if answered.is_ok() && book.state().turn().is_none() {
        // The node must know that its gates said yes, so that a boot does not take a good version back.
        if let Err(error) = session.note(&format!("{}.vouch", session.node()), Op::Vouch).await {
            return Ok(Err(fault(&error)));
        }
    }
    Ok(answered)
}

/// What the gates of a step are measured against, from the plan, the facts before, and the proofs so far.
fn expectation(session: &Session, step: &Step, book: &Book) -> Expectation {
    let (state, plan) = (book.state(), book.plan());
    let back = state.turn().map(|(reached, _)| *reached);
    let forward = |kind: StepKind| format!("{}.{kind}", step.node);
    let read = |id: String| state.proof(&id).cloned().unwrap_or_default();
    // The start that this gate is about: that of the way that the run is on.
    let way: Vec<Step> = back.map_or_else(|| plan.steps().cloned().collect(), |reached| plan.inverse(reached));
    let start = way.into_iter().find(|other| other.kind == StepKind::Start && other.node == step.node);
    let start_id = start.map_or_else(|| forward(StepKind::Start), |start| start.id);
    let started: Option<StartProof> = serde_json::from_value(read(start_id.clone())).ok();
    let staged: Option<StageProof> = serde_json::from_value(read(forward(StepKind::Stage))).ok();
    let baseline = read(forward(StepKind::Baseline));
    let workloads: Vec<Workload> =
        baseline.get("workloads").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default();
    let process = session.before.nodes.first().and_then(|node| node.process.clone());
    let before_stop = step.kind == StepKind::Baseline;
    // A boot since the start began another life, by itself and rightly: it is the one to be judged, from its boot on.
    let rebooted = started.as_ref().is_some_and(|proof| proof.boot_id != session.link.identity().boot_id);
    let start_begun = time_of(book.records(), &start_id, true);
    let start_begun_since_boot = session.clock.of_this_boot(intended(book.records(), &start_id));
    let ready = ready_since_boot(book, &start_id);
    // Seen again no sooner than the link was: the kubelet has its time from then on.
    let ready = if rebooted { ready.max(Some(session.linked)) } else { ready };
    let new = back.is_none() && !before_stop;
    Expectation {
        version: if new { plan.to.clone() } else { plan.from.clone() },
        start_begun: if before_stop { None } else { start_begun },
        start_begun_since_boot: if before_stop { None } else { start_begun_since_boot },
        ready: if before_stop { None } else { time_of(book.records(), &start_id, false) },
        ready_since_boot: if before_stop { None } else { ready },
        rebooted: !before_stop && rebooted,
        invocation: if before_stop || rebooted { None } else { started.map(|proof| proof.invocation) },
        data_hash: if new { staged.as_ref().map(|s| s.data_hash.clone()) } else { process.and_then(|p| p.data_hash) },
        executable: if new { staged.map(|s| s.inner) } else { None },
        workloads,
    }
}

/// READY on the boot clock, which does not jump; after a boot, the time from which the run went on.
fn ready_since_boot(book: &Book, start: &str) -> Option<Span> {
    let here = book.records().last().map(|record| record.boot.as_str());
    let in_this_boot = || book.records().iter().filter(|record| Some(record.boot.as_str()) == here);
    let ready = in_this_boot().find(|record| match &record.event {
        Event::Outcome { step, ok, .. } => *ok && step == start,
        Event::Probed { step, state, .. } => *state == ProbeState::Done && step == start,
        _ => false,
    });
    // After a boot, READY came before anybody was here to see it.
    let ready = ready.or_else(|| in_this_boot().find(|record| matches!(record.event, Event::Resumed { .. })))?;
    Some(Span::millis(ready.up))
}

/// The record with which a step was first intended.
fn intended<'a>(records: &'a [Record], id: &str) -> Option<&'a Record> {
    records.iter().find(|record| matches!(&record.event, Event::Intent { step, .. } if step == id))
}

/// When a step was first intended, or when its outcome came.
fn time_of(records: &[Record], id: &str, intent: bool) -> Option<jiff::Timestamp> {
    let found = records.iter().find(|record| match &record.event {
        Event::Intent { step, .. } => intent && step == id,
        Event::Outcome { step, ok, .. } => !intent && *ok && step == id,
        Event::Probed { step, state, .. } => !intent && *state == ProbeState::Done && step == id,
        _ => false,
    });
    found.map(|record| record.at)
}

fn confused(session: &Session, step: &Step, reply: &Reply) -> Fault {
    let name: String = format!("{reply:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
    let message = format!("{} answered `{name}` when it was asked for {}", session.node(), step.id);
    Fault { kind: FaultKind::Failed, message, hint: None }
}
