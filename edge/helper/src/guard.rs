//! `guard`: the timer's look. When the coordinator was silent past its lease, the node finishes alone (design.md §10).
//!
//! It needs no coordinator, no network and no API (I9). What it does is in the node's journal before and after, its tries
//! are counted there (I18), and each leads to the old version, to one that was vouched for, or to a human (I25).

use std::thread;
use std::time::{Duration, Instant};

use belay_facts::{Mutant, Span, WayClass, mutated};
use belay_wire::{Fault, FaultKind, Op};

use crate::alone::{Alone, Who};
use crate::fault::failed;
use crate::lease::{Lease, SHORTEST, silence};
use crate::mutate::node_lock;
use crate::node_run::{NodeEvent, NodeRun, open_runs};
use crate::unit::queue;
use crate::{Now, Places, release, start, timer};

/// How often it tries in a row, until a coordinator comes. Then a human looks at it first.
pub(crate) const TRIES: u32 = 3;
/// How long nobody looks at a unit that is starting.
const LOOK: Duration = Duration::from_millis(200);

/// What is to be done about a run whose lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// K3s was never asked to stop: the node is let go.
    Release,
    /// The gates never said yes, or it was decided before: the old version by the class of the plan.
    GoBack,
}

/// The decision. Pure: what the node's journal says, how long nobody was heard of, and nothing else.
pub(crate) fn due(run: &NodeRun, silent: Span) -> Option<Due> {
    let over = run.armed.is_some_and(|lease| silent >= lease);
    // It was vouched for, and nobody has turned it since: the new version stays, and nothing is touched.
    let stays = run.vouched && run.turned.is_none() && !mutated(Mutant::GuardIgnoresVouch);
    if !over || run.ended.is_some() || run.stood_down || stays {
        return None;
    }
    match run.stop_intended {
        false => Some(Due::Release),
        true => (!run.guard_done).then_some(Due::GoBack),
    }
}

/// Looks at every open run. Returns what was done or could not be, a sentence for each run that something was due for.
#[must_use]
pub fn guard(places: &Places) -> Vec<String> {
    let now = Now::read(places);
    let lease = Lease::read(places);
    // The usual case costs one small file.
    let heard = lease.as_ref().filter(|lease| lease.heard.boot == now.boot_id).map(|lease| lease.heard.up);
    let lately = |up| now.uptime.as_millis().saturating_sub(up) < SHORTEST.as_millis();
    if heard.is_some_and(lately) && !mutated(Mutant::GuardByCalendar) {
        return Vec::new();
    }
    // Without waiting: whoever holds it acts, so the node is not alone.
    let _lock = match node_lock(places, Duration::ZERO) {
        Ok(lock) => lock,
        Err(fault) if fault.kind == FaultKind::Deadline => return Vec::new(),
        Err(fault) => return vec![fault.message],
    };
    // Again under the lock: the step that has just ended is a sign of life.
    let (now, lease) = (Now::read(places), Lease::read(places));
    let mut said = Vec::new();
    for run in open_runs(places) {
        let silent = match silence(&run, lease.as_ref(), &now) {
            Some(silent) => silent,
            // The first look after a boot begins the whole lease again: how long ago the boot was says nothing (a container
            // has the boot clock of its host). Where even `/run` takes no file, the boot has to do.
            None if run.armed.is_some() && Lease::renew(places, &run.id, run.generation).is_ok() => continue,
            None => now.uptime,
        };
        // Whole seconds, for people.
        let silent = Span::seconds(silent.as_millis() / 1000);
        let Some(due) = due(&run, silent) else { continue };
        let id = run.id.clone();
        said.push(match act(places, run, silent, due) {
            Ok(did) => format!("run {id}: its coordinator was silent for {silent}; {did}"),
            Err(fault) => format!("run {id}: its coordinator was silent for {silent}, and {}", fault.message),
        });
    }
    said
}

fn act(places: &Places, run: NodeRun, silent: Span, due: Due) -> Result<String, Fault> {
    let (Some(target), Some(lease)) = (run.target.clone(), run.armed) else {
        return Err(failed("its journal does not say what it is about"));
    };
    let attempt = run.guard_tries + 1;
    let mut alone = Alone::take(places, run, target, Who::Guard)?;
    if attempt > TRIES {
        let why = format!("the guard was cut off in each of its {TRIES} tries");
        return stand_down(&mut alone, why);
    }
    alone.note(NodeEvent::Guarded { attempt, silent, lease })?;
    let done = match due {
        Due::Release => let_go(&mut alone),
        Due::GoBack => go_back(&mut alone, silent, lease),
    };
    match done {
        Ok(did) => Ok(did),
        // What only a human can mend is not tried again.
        Err(fault) if attempt == TRIES || fault.kind == FaultKind::Human => stand_down(&mut alone, fault.message),
        Err(fault) => Err(fault),
    }
}

fn let_go(alone: &mut Alone<'_>) -> Result<String, Fault> {
    let did = "K3s had not been stopped, so nothing was touched and the node was released";
    // Before the end of the run, after which nothing is written in its name.
    alone.note(NodeEvent::GuardDone { did: did.into() })?;
    alone.carry_out::<release::Release>(Op::Release { keep_way_back: false }, Span::seconds(60))?;
    Ok(did.into())
}

fn go_back(alone: &mut Alone<'_>, silent: Span, lease: Span) -> Result<String, Fault> {
    if alone.run.turned.is_none() {
        let why = format!("the coordinator was silent for {silent}, and the lease is {lease}");
        let class = alone.target.way_back;
        alone.note(NodeEvent::Turned { seen: 0, class, why })?;
    }
    let did = match alone.go_back().and_then(|did| bring_up(alone, lease).map(|()| did)) {
        Err(fault) if fault.kind != FaultKind::Human && alone.run.is_binary() => fall(alone, lease, &fault)?,
        did => did?,
    };
    let did = format!("{did}: {} is at its path again and K3s is active", alone.target.old_version);
    alone.note(NodeEvent::GuardDone { did: did.clone() })?;
    Ok(did)
}

/// The old version does not come up on the data of the new one: the stopped copy follows (ADR 0009).
fn fall(alone: &mut Alone<'_>, lease: Span, fault: &Fault) -> Result<&'static str, Fault> {
    alone.read_again()?;
    if alone.run.fell() || alone.run.kept.is_none() {
        return Err(fault.clone());
    }
    alone.note(NodeEvent::Turned { seen: 0, class: WayClass::Keep, why: fault.message.clone() })?;
    let did = alone.go_back()?;
    bring_up(alone, lease)?;
    Ok(did)
}

/// Starts K3s and waits for READY, which is as far as a node sees without an API. One that runs was not stopped by us,
/// since there was nothing to exchange, so what runs is the old version.
fn bring_up(alone: &Alone<'_>, within: Span) -> Result<(), Fault> {
    let begun = Instant::now();
    loop {
        let unit = alone.unit()?;
        if unit.active_state == "active" {
            return Ok(());
        }
        if unit.is_down() {
            alone.carry_out::<start::Start>(Op::Start, within)?;
            return Ok(());
        }
        if begun.elapsed() >= within.duration() {
            let state = format!("{} ({})", unit.active_state, unit.sub_state);
            return Err(failed(format!("{} was {state} and not ready after {within}", unit.name)));
        }
        thread::sleep(LOOK);
    }
}

/// Nothing more is done by itself. What is whole is started all the same: better one version than none.
fn stand_down(alone: &mut Alone<'_>, why: String) -> Result<String, Fault> {
    alone.note(NodeEvent::StoodDown { why: format!("the guard could not go back: {why}") })?;
    let up = !alone.unit()?.is_down();
    if !up && !alone.is_marked() {
        queue(alone.places, "start", &alone.target.unit)?;
    }
    timer::disarm(alone.places)?;
    Err(failed(format!("it needs a human: {why}")))
}
