use std::collections::{BTreeMap, BTreeSet};

use belay_engine::steps::{Idempotence, declaration};
use belay_engine::{EndState, Event, MAX_RESUMES, MAX_TRIES, ProbeState, Record, TurnCause};
use belay_plan::{Plan, Reached, Step, StepKind};

use crate::Invariant;

/// What a node says of its guard.
pub const GUARD_ACTED: &str = "the guard acted";

/// A second opinion on a coordinator's records, from the plan alone: what may follow what.
#[derive(Clone, Debug, Default)]
pub struct Story {
    done: BTreeSet<String>,
    /// Begun, and its outcome is not known.
    unknown: Option<String>,
    tries: BTreeMap<String, u32>,
    begun: BTreeSet<StepKind>,
    turn: Option<Reached>,
    turns: u32,
    resumes: u32,
    /// A step said that what came before it is stale, and nothing has been begun since.
    stale: Option<String>,
    failed: Option<String>,
    pub end: Option<EndState>,
}

impl Story {
    /// Takes one more record in, and says what it breaks.
    pub fn hear(&mut self, plan: &Plan, record: &Record) -> Option<(Invariant, String)> {
        match &record.event {
            Event::Intent { step, attempt } => self.intent(plan, step, *attempt),
            Event::Outcome { step, ok, proof, fault, .. } => {
                if self.resumes > MAX_RESUMES {
                    return Some((Invariant::Budgets, format!("{step} done after {} resumes", self.resumes)));
                }
                // Whoever holds the node now may have done it: as unknown as what a broken channel leaves.
                let doubt = fault
                    .as_ref()
                    .is_some_and(|fault| fault.kind.leaves_doubt() || fault.kind == belay_engine::FaultKind::Fenced);
                if !doubt {
                    self.unknown = None;
                }
                if *ok {
                    self.done.insert(step.clone());
                    self.learn(plan, step, proof);
                } else if let Some(fault) = fault.as_ref().filter(|_| !doubt) {
                    let stale = fault.kind == belay_engine::FaultKind::Stale;
                    let tries = self.tries.get(step).copied().unwrap_or(0);
                    if stale && tries < MAX_TRIES {
                        self.stale = Some(step.clone());
                        self.forget(plan, step);
                    } else if plan.any_step(step).is_some_and(|step| step.kind == StepKind::Commit) && tries < MAX_TRIES
                    {
                        // After the soak nothing is left but to tidy up, and the node may have ended the run: it is tried
                        // again before the run turns, so an intent may follow that failure.
                    } else {
                        self.failed = Some(step.clone());
                    }
                }
                None
            }
            Event::Probed { step, state, proof, .. } => {
                self.unknown = None;
                if *state == ProbeState::Done {
                    self.done.insert(step.clone());
                    self.learn(plan, step, proof);
                }
                None
            }
            Event::Turn { reached, cause } => self.turned(plan, *reached, cause),
            Event::Resumed { .. } => {
                self.resumes += 1;
                if self.end == Some(EndState::NeedsHuman) {
                    // A no was about a life that may be over: which one runs now is asked again.
                    if self.failed.as_ref().is_some_and(|step| step.ends_with(".gate") || step.ends_with(".soak")) {
                        let way = self.way(plan);
                        way.iter().filter(|step| step.kind == StepKind::Start).for_each(|step| {
                            self.done.remove(&step.id);
                        });
                    }
                    // The node stood down with that end: its guard is armed again before K3s is stopped.
                    let stops = [StepKind::Stop, StepKind::Restore, StepKind::Start];
                    if !stops.iter().any(|kind| self.begun.contains(kind)) {
                        plan.steps().filter(|step| step.kind == StepKind::ArmGuard).for_each(|step| {
                            self.done.remove(&step.id);
                        });
                    }
                    (self.end, self.resumes, self.failed) = (None, 0, None);
                    self.tries.retain(|step, _| self.done.contains(step));
                    self.unknown = None;
                }
                None
            }
            Event::End { state, .. } => {
                self.end = Some(*state);
                let way = self.way(plan);
                let open = way.iter().find(|step| !self.done.contains(&step.id));
                let whole = *state == EndState::NeedsHuman || *state == EndState::Unchanged || open.is_none();
                (!whole).then(|| (Invariant::Regated, format!("{state} without {}", open.map_or("", |step| &step.id))))
            }
            _ => None,
        }
    }

    /// The node says that the new version had run, by whomever it was started: what leads back is the way from there.
    fn learn(&mut self, plan: &Plan, step: &str, proof: &serde_json::Value) {
        let ran = proof.get("new-ran") == Some(&true.into());
        if ran && self.turn == Some(Reached::Stopped) && plan.falls_from(Reached::Started) {
            self.turn = Some(Reached::Started);
            let before = self.way(plan).into_iter().take_while(|other| other.id != step);
            self.done.extend(before.map(|other| other.id));
        }
    }

    fn way(&self, plan: &Plan) -> Vec<Step> {
        self.turn.map_or_else(|| plan.steps().cloned().collect(), |reached| plan.inverse(reached))
    }

    fn forget(&mut self, plan: &Plan, step: &str) {
        use StepKind::{Keep, PutBack, Restore, Stop, Swap, SwapBack};
        if step.ends_with("swap-back") {
            self.turn = Some(Reached::Started);
        }
        let way = self.way(plan);
        if way.iter().any(|other| other.id == step) || self.turn.is_some() {
            let again = |kind| matches!(kind, Stop | Keep | Swap | Restore | PutBack | SwapBack);
            way.iter().filter(|other| again(other.kind)).for_each(|other| {
                self.done.remove(&other.id);
            });
        }
    }

    fn intent(&mut self, plan: &Plan, id: &str, attempt: u32) -> Option<(Invariant, String)> {
        let step = plan.any_step(id)?;
        let way = self.way(plan);
        let unknown = self.unknown.replace(id.to_owned());
        let tries = self.tries.entry(id.to_owned()).or_insert(0);
        let again = *tries;
        *tries += 1;
        self.begun.insert(step.kind);
        if *tries > MAX_TRIES || attempt != *tries {
            return Some((Invariant::Budgets, format!("{id} begun for the {tries}th time, as attempt {attempt}")));
        }
        if let Some(unknown) = unknown {
            let repeats = declaration(step.kind).idempotence == Idempotence::Repeat && unknown == id;
            if !repeats {
                return Some((Invariant::ProbedFirst, format!("{id} begun, and the outcome of {unknown} is unknown")));
            }
        }
        let place = way.iter().position(|other| other.id == id);
        let Some(place) = place else {
            return Some((Invariant::Budgets, format!("{id} begun, which is not on the way the run is on")));
        };
        if let Some(stale) = self.stale.take()
            && step.kind != StepKind::Stop
        {
            return Some((Invariant::Regated, format!("{id} begun after {stale} was stale")));
        }
        if let Some(failed) = self.failed.take()
            && (self.turn.is_none() || failed != id && again == 0)
            && self.turn.is_none()
        {
            return Some((Invariant::Regated, format!("{id} begun after {failed} failed")));
        }
        let open = way.iter().take(place).find(|other| !self.done.contains(&other.id));
        if let Some(open) = open {
            return Some((Invariant::Regated, format!("{id} begun before {} is done", open.id)));
        }
        let done = |kind| way.iter().any(|other| other.kind == kind && self.done.contains(&other.id));
        let forward = self.turn.is_none();
        let first = match step.kind {
            StepKind::Stop if forward && !done(StepKind::ProveBackup) => Some(Invariant::ReceiptFirst),
            StepKind::Swap if !done(StepKind::Keep) => Some(Invariant::WayBackStays),
            StepKind::Commit if plan.steps().any(|s| s.kind == StepKind::Soak) && !done(StepKind::Soak) => {
                Some(Invariant::WayBackStays)
            }
            StepKind::Swap | StepKind::Restore if !done(StepKind::Stage) => Some(Invariant::VerifiedFirst),
            _ => None,
        };
        first.map(|invariant| (invariant, format!("{id} is out of order")))
    }

    fn turned(&mut self, plan: &Plan, reached: Reached, cause: &TurnCause) -> Option<(Invariant, String)> {
        let begun = |kind| self.begun.contains(&kind);
        let least = if begun(StepKind::Start) || begun(StepKind::Restore) {
            Reached::Started
        } else if begun(StepKind::Stop) {
            Reached::Stopped
        } else {
            Reached::Prepared
        };
        if let Some(stale) = self.stale.as_ref().filter(|stale| cause.step.as_ref() == Some(*stale)) {
            return Some((Invariant::Regated, format!("it turns because {stale} was stale, and did not do it again")));
        }
        let first = self.turn.is_none();
        self.turns += 1;
        (self.turn, self.failed, self.stale, self.unknown) = (Some(reached), None, None, None);
        // Its guard lets a node go only where `stop` was never begun there, whatever was intended here.
        let let_go = reached == Reached::Prepared && cause.why == GUARD_ACTED;
        if first && reached < least && !let_go {
            return Some((Invariant::IntentFirst, format!("it turns at {reached:?}, and {least:?} was begun")));
        }
        let most = 1 + u32::from(plan.falls_from(Reached::Started));
        (self.turns > most).then(|| (Invariant::Budgets, format!("it turned {} times", self.turns)))
    }
}
