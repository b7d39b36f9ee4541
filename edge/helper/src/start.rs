//! `start`: starts the unit and waits for READY.

use std::thread;
use std::time::{Duration, Instant};

use belay_facts::{Digest, Mutant, Span, mutated};
use belay_journal::durable;
use belay_wire::{Fault, FaultKind, Reply, StartProof};

use crate::fault::{failed, fault, refused};
use crate::log::last_words;
use crate::node_run::{Before, NodeRun, Proof};
use crate::process::process_facts;
use crate::step::{Effect, Found, Step, start_reserve};
use crate::unit::{Unit, queue, reset_failed};

/// How long nobody looks at a unit that is starting.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Start;

impl Effect for Start {
    type Proof = StartProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<StartProof>, Fault> {
        let unit = Unit::show(step.places, &step.target().unit)?;
        step.seen = Some(unit.clone());
        if unit.active_state != "active" {
            let begun = unit.active_state == "activating";
            return Ok(if begun { Found::Partial("the unit is starting".into()) } else { Found::NotDone });
        }
        if step.run().start_after.as_ref().is_some_and(|before| *before == unit.invocation) {
            return Ok(Found::NotDone);
        }
        match (runs_expected(step, &unit), &step.run().start_after) {
            (Some(false), _) => Ok(Found::NotDone),
            // Nothing is known of its process; with an intent of ours before it, it is the one that we started.
            (None, None) => Ok(Found::NotDone),
            (None | Some(true), _) => Ok(Found::Done(proof(step, &unit))),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        if step.marker().exists() {
            return Err(refused("a put-back is open on this node: K3s may not start on a half-restored directory"));
        }
        let (expected, is) = (expected(step), step.binary_digest()?);
        if is != expected {
            return Err(refused(format!("{} is {is}, and {expected} should be started", step.target().binary)));
        }
        let unit = seen(step)?;
        if unit.active_state == "active" && runs_expected(step, &unit) == Some(false) {
            return Err(refused(format!("{} runs the other version and was not stopped", unit.name)));
        }
        // On the way forward the stop forgot what was before it; asking systemd again is a part of the outage.
        let clean = unit.active_state == "inactive" && unit.result == "success" && unit.restarts == 0;
        if !clean || step.run().turned.is_some() {
            reset_failed(step.places, &unit.name);
        }
        // A repeated intent keeps the life that was over before the first.
        let again = step.run().stopped.is_none() && step.run().started.is_none();
        let before = step.run().start_after.clone().filter(|_| again).unwrap_or(unit.invocation);
        Ok(Before { invocation: Some(before), ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<StartProof, Fault> {
        let name = step.target().unit.clone();
        let begun = Instant::now();
        cancel_restart(step, begun)?;
        if step.run().turned.is_some() {
            // K3s says what it lacks, should even this fail.
            let _ = durable::remove(&start_reserve(step.target(), &step.mutation.run));
        }
        queue(step.places, "start", &name)?;
        let over = step.run().start_after.clone().unwrap_or_default();
        let mut life = String::new();
        loop {
            let unit = Unit::show(step.places, &name)?;
            // A unit on its way down still shows the life that ends.
            if life.is_empty() && !unit.is_down() && unit.invocation != over {
                life.clone_from(&unit.invocation);
            }
            if unit.active_state == "active" && unit.restarts == 0 && !life.is_empty() && unit.invocation == life {
                if mutated(Mutant::DropKeepEarly) && step.run().expects_new() {
                    let _ = crate::tree::remove_tree(&step.keep());
                }
                return Ok(StartProof { took: begun.elapsed().into(), ..proof(step, &unit) });
            }
            if let Some(why) = why_not(&unit, &life) {
                let said = last_words(step.places, &name, &step.data_dir());
                return Err(failed(format!("{name} did not start: {why}; its last words: {said}")));
            }
            if begun.elapsed() >= step.mutation.deadline.duration() {
                let said = last_words(step.places, &name, &step.data_dir());
                let message = format!(
                    "{name} was {} ({}) and not ready when the deadline passed; its last words: {said}",
                    unit.active_state, unit.sub_state
                );
                return Err(fault(FaultKind::Deadline, message));
            }
            if step.channel.orphaned() {
                return Err(failed("the coordinator went away while the unit was starting"));
            }
            step.channel.progress(&format!("waiting for READY: {} ({})", unit.active_state, unit.sub_state), 0, 0);
            // Each look costs what K3s needs for its start.
            thread::sleep(LOOK);
        }
    }

    fn remembered(run: &NodeRun, proof: &StartProof) -> bool {
        run.started.as_ref().is_some_and(|known| known.invocation == proof.invocation)
    }

    fn proof(proof: &StartProof) -> Proof {
        Proof::Started(proof.clone())
    }

    fn reply(proof: StartProof) -> Reply {
        Reply::Started(proof)
    }
}

/// The unit as this request saw it before it did anything.
fn seen(step: &Step<'_>) -> Result<Unit, Fault> {
    match &step.seen {
        Some(unit) => Ok(unit.clone()),
        None => Unit::show(step.places, &step.target().unit),
    }
}

/// Takes a unit that died out of the wait for its own restart. systemd keeps a start that is asked for then until that wait is over
/// (service.c: "must be stopped first"), and until then it shows the life that has ended.
fn cancel_restart(step: &mut Step<'_>, begun: Instant) -> Result<(), Fault> {
    let name = step.target().unit.clone();
    let mut unit = seen(step)?;
    if unit.sub_state != "auto-restart" {
        return Ok(());
    }
    queue(step.places, "stop", &name)?;
    while !unit.is_down() {
        if begun.elapsed() >= step.mutation.deadline.duration() {
            let message =
                format!("{name} waits for its restart and was still {} when the deadline passed", unit.sub_state);
            return Err(fault(FaultKind::Deadline, message));
        }
        thread::sleep(LOOK);
        unit = Unit::show(step.places, &name)?;
    }
    reset_failed(step.places, &name);
    Ok(())
}

/// Which binary a start is meant to run now.
fn expected(step: &Step<'_>) -> Digest {
    if step.run().expects_new() { step.target().new } else { step.target().old }
}

/// Whether the running process was extracted from the version that is meant; `None` when it cannot be seen.
fn runs_expected(step: &Step<'_>, unit: &Unit) -> Option<bool> {
    let new = step.run().staged.as_ref()?.data_hash.clone();
    let process = process_facts(step.places, unit.main_pid, &step.data_dir())?;
    if step.target().old == step.target().new {
        // A restore of the same version: both sides run the same.
        return Some(process.data_hash? == new);
    }
    Some((process.data_hash? == new) == step.run().expects_new())
}

/// Positive evidence that this start has failed.
fn why_not(unit: &Unit, life: &str) -> Option<String> {
    // `start` resets the counter: any restart is a death of this start.
    if !life.is_empty() && (unit.restarts > 0 || unit.sub_state == "auto-restart" || unit.invocation != life) {
        return Some(format!("it died before it was ready (result `{}`)", unit.result));
    }
    if unit.active_state == "failed" {
        return Some(format!("systemd says failed (result `{}`)", unit.result));
    }
    if unit.active_state == "inactive" && unit.job == 0 {
        let why = if unit.assert_failed { "an assertion of the unit is not met" } else { "systemd dropped the start" };
        return Some(why.into());
    }
    None
}

fn proof(step: &Step<'_>, unit: &Unit) -> StartProof {
    StartProof {
        invocation: unit.invocation.clone(),
        main_pid: unit.main_pid,
        boot_id: step.now().boot_id,
        took: unit.last_start.unwrap_or(Span::ZERO),
    }
}
