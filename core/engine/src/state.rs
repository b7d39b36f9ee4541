use std::collections::{BTreeMap, BTreeSet};

use belay_facts::{Mutant, mutated};
use belay_plan::{Goal, Plan, Reached, Step, StepKind};

use crate::steps::{Idempotence, declaration};
use crate::{Command, EndState, Event, Fault, FaultKind, MAX_RESUMES, MAX_TRIES, ProbeState, Record, TurnCause};

mod adopt;
mod back;
mod commit;
mod down;

pub use adopt::NodeTale;

/// Where a run stands: the fold of its records. Replaying a journal gives the same state as living through it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    steps: BTreeMap<String, StepState>,
    tries: BTreeMap<String, u32>,
    /// Whatever was ever begun: a fresh budget does not undo an effect.
    begun: BTreeSet<String>,
    turn: Option<(Reached, TurnCause)>,
    end: Option<EndState>,
    opened: bool,
    resumes: u32,
    /// A person resumed it to go back.
    wish: bool,
    generation: u64,
    seen: u64,
    /// Who holds the node instead of the process that writes; a resume takes it over.
    superseded: Option<String>,
}

/// Where one step stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepState {
    #[default]
    Pending,
    /// Intended, outcome unknown.
    Intended,
    Done {
        proof: serde_json::Value,
    },
    Failed {
        fault: Fault,
    },
}

/// A record that cannot follow the ones before it: the journal is not of this run, or not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {record} ({event}) cannot follow what came before: {why}")]
pub struct IllegalEvent {
    pub record: usize,
    pub event: String,
    pub why: &'static str,
}

impl RunState {
    /// Folds a whole journal.
    ///
    /// # Errors
    /// At the first record that cannot follow the ones before it.
    pub fn replay<'a>(plan: &Plan, records: impl IntoIterator<Item = &'a Record>) -> Result<Self, IllegalEvent> {
        let mut state = Self::default();
        for (index, record) in records.into_iter().enumerate() {
            state.apply(plan, record).map_err(|why| IllegalEvent {
                record: index + 1,
                event: format!("{:?}", record.event).chars().take_while(|c| c.is_alphanumeric()).collect(),
                why,
            })?;
        }
        Ok(state)
    }

    /// Folds one more record.
    ///
    /// # Errors
    /// The reason why it cannot follow.
    pub fn apply(&mut self, plan: &Plan, record: &Record) -> Result<(), &'static str> {
        if record.run != plan.id {
            return Err("it belongs to another run");
        }
        if record.generation < self.generation {
            return Err("its generation is older than one before it");
        }
        if self.end == Some(EndState::NeedsHuman) && matches!(record.event, Event::Resumed { .. }) {
            self.begin_anew(plan);
        }
        if self.end.is_some() {
            return Err("the run has ended");
        }
        if self.superseded.is_some()
            && !matches!(record.event, Event::Resumed { .. } | Event::Measured { .. } | Event::Note { .. })
        {
            return Err("the process that wrote it did not hold the node any more");
        }
        if !self.opened && !matches!(record.event, Event::Open { .. }) {
            return Err("the run was not opened");
        }
        self.generation = record.generation;
        match &record.event {
            Event::Open { plan: digest, .. } => {
                if self.opened {
                    return Err("the run was opened before");
                }
                if *digest != plan.digest {
                    return Err("it was opened with another plan");
                }
                self.opened = true;
            }
            Event::Intent { step, attempt } => {
                let expected = self.tries(step) + 1;
                if *attempt != expected {
                    return Err("attempts are counted one by one");
                }
                if matches!(self.step(step), StepState::Done { .. }) {
                    return Err("the step is done");
                }
                self.begun.insert(step.clone());
                if !mutated(Mutant::ReuseAttempt) || *attempt == 1 {
                    self.tries.insert(step.clone(), *attempt);
                }
                self.steps.insert(step.clone(), StepState::Intended);
            }
            Event::Outcome { step, ok, proof, fault, .. } => {
                if *self.step(step) != StepState::Intended {
                    return Err("an outcome without an intent");
                }
                let next = match (ok, fault) {
                    (true, _) => StepState::Done { proof: proof.clone() },
                    (false, Some(fault)) if passed_over(fault) => StepState::Done { proof: proof.clone() },
                    // A broken channel tells nothing about the effect: it stays unknown and is probed.
                    (false, Some(fault)) if fault.kind.leaves_doubt() => StepState::Intended,
                    // Whoever holds the node may have done it or undone it: the next to resume finds out. Of a fence as well:
                    // another coordinator of this run has it, and what it has done there is not "unchanged".
                    (false, Some(fault)) if fault.kind == FaultKind::Fenced => {
                        self.superseded = Some(fault.message.clone());
                        StepState::Intended
                    }
                    (false, Some(fault)) => StepState::Failed { fault: fault.clone() },
                    (false, None) => return Err("a failure without its fault"),
                };
                self.steps.insert(step.clone(), next);
                self.learn(plan, step);
                if mutated(Mutant::TurnTwice) && !ok && self.turn.is_some() {
                    self.turn = None;
                }
                let stale = |fault: &&Fault| fault.kind == FaultKind::Stale && !mutated(Mutant::IgnoreStale);
                if let Some(fault) = fault.as_ref().filter(stale) {
                    self.rewind(plan, step, fault);
                }
            }
            Event::Probed { step, state, proof, .. } => {
                if *self.step(step) != StepState::Intended {
                    return Err("a probe of a step whose outcome is known");
                }
                let next = match state {
                    ProbeState::Done => StepState::Done { proof: proof.clone() },
                    ProbeState::NotDone | ProbeState::Partial => StepState::Pending,
                };
                self.steps.insert(step.clone(), next);
                self.learn(plan, step);
            }
            Event::Turn { reached, cause } => {
                let falls = *reached == Reached::SwappedBack;
                match &self.turn {
                    Some((from, _)) if !falls || !plan.falls_from(*from) => {
                        return Err("it turned back before; a way back has no way back");
                    }
                    None if falls => return Err("it has not turned back yet, so no other way back can follow"),
                    _ => self.turn = Some((*reached, cause.clone())),
                }
            }
            Event::Resumed { back, .. } => {
                self.resumes += u32::from(!mutated(Mutant::ForgetBudget));
                self.wish |= back;
                self.superseded = None;
            }
            Event::Superseded { says } => self.superseded = Some(says.clone()),
            Event::Measured { seen, .. } => self.seen = self.seen.max(*seen),
            Event::Gate { .. } | Event::Note { .. } => {}
            Event::End { state, .. } => self.end = Some(*state),
        }
        Ok(())
    }

    /// A human has looked at it and goes on: what had failed may be tried again, with fresh budgets. Where a gate had said no,
    /// that is about a life of K3s that the human may have ended: `start` is asked again, and tells which one runs now.
    fn begin_anew(&mut self, plan: &Plan) {
        self.end = None;
        // The node stood down with that end, so its guard is armed again before K3s is stopped. Not later: a run that was
        // committing may have ended on the node, which arms nothing more for it.
        if self.reached(plan) == Reached::Prepared {
            plan.steps().filter(|step| step.kind == StepKind::ArmGuard).for_each(|step| {
                self.steps.remove(&step.id);
            });
        }
        let forward: Vec<Step> = plan.steps().cloned().collect();
        let ways = Reached::ALL.into_iter().map(|reached| plan.inverse(reached)).chain([forward]);
        for way in ways {
            let failed = |step: &Step| matches!(self.steps.get(&step.id), Some(StepState::Failed { .. }));
            if way.iter().any(|step| matches!(step.kind, StepKind::Gate | StepKind::Soak) && failed(step)) {
                way.iter().filter(|step| step.kind == StepKind::Start).for_each(|step| {
                    self.steps.remove(&step.id);
                });
            }
        }
        self.tries.retain(|step, _| matches!(self.steps.get(step), Some(StepState::Done { .. })));
        self.steps.retain(|_, state| matches!(state, StepState::Done { .. }));
        self.resumes = 0;
    }

    /// The next command. Pure: the same state answers the same.
    #[must_use]
    pub fn next(&self, plan: &Plan) -> Command {
        if let Some(state) = self.end {
            return Command::Finished { state };
        }
        if let Some(why) = &self.superseded {
            return Command::Leave { why: why.clone() };
        }
        let back = self.turn.as_ref();
        if self.resumes > MAX_RESUMES {
            let why = format!("it was resumed {} times; the budget is {MAX_RESUMES}", self.resumes);
            return Command::End { state: EndState::NeedsHuman, why };
        }
        if let Some(turn) = self.ask_back(plan, "belay rollback").filter(|_| self.wish) {
            return turn;
        }
        let steps: Vec<Step> = match back {
            None => plan.steps().cloned().collect(),
            // A node that this run never took has nothing to be released from.
            Some((Reached::Prepared, _)) if !self.took_the_node(plan) => Vec::new(),
            Some((reached, _)) => plan.inverse(*reached),
        };
        for step in steps {
            match self.step(&step.id) {
                StepState::Done { .. } => {}
                StepState::Pending => return self.begin(plan, step),
                StepState::Intended if mutated(Mutant::TrustUnknown) => {}
                // Asking again is the probe of a step that may be repeated.
                StepState::Intended if repeats(step.kind) => {
                    return self.begin(plan, step);
                }
                StepState::Intended => return Command::Probe { step },
                StepState::Failed { fault } if back.is_some() => return self.failed_back(plan, step, fault),
                StepState::Failed { fault } if step.kind == StepKind::Commit => {
                    return self.failed_commit(plan, step, fault);
                }
                StepState::Failed { fault } => return self.turn_at(plan, &step, fault),
            }
        }
        match back {
            None => {
                let why = match plan.goal {
                    Goal::Upgrade | Goal::Restore => "every gate said yes through the soak",
                    Goal::Backup => "the backup was proven",
                };
                Command::End { state: EndState::Committed, why: why.to_owned() }
            }
            Some((Reached::Prepared, cause)) => Command::End { state: EndState::Unchanged, why: cause.why.clone() },
            Some((_, cause)) => Command::End { state: EndState::Restored, why: cause.why.clone() },
        }
    }

    /// The turn that a person asks for; `None` when the run has ended, goes back already, or has begun to commit: a
    /// commit takes the way back of this run away, so it is finished, not turned.
    #[must_use]
    pub fn ask_back(&self, plan: &Plan, why: &str) -> Option<Command> {
        let commits = plan.steps().any(|step| step.kind == StepKind::Commit && self.begun.contains(&step.id));
        if self.end.is_some() || self.superseded.is_some() || self.turn.is_some() || commits {
            return None;
        }
        let cause = TurnCause { step: None, asked: true, why: why.to_owned(), fault: None };
        Some(Command::Turn { reached: self.reached(plan), cause })
    }

    fn begin(&self, plan: &Plan, step: Step) -> Command {
        let attempt = self.tries(&step.id) + 1;
        if attempt <= MAX_TRIES {
            return Command::Do { step, attempt };
        }
        let why = format!("{} was begun {MAX_TRIES} times and its outcome is still unknown", step.id);
        if self.turn.is_some() {
            let falls = self.fall(plan, &step, &why, None);
            return falls.unwrap_or(Command::End { state: EndState::NeedsHuman, why });
        }
        if step.kind == StepKind::Commit {
            return Command::End { state: EndState::NeedsHuman, why };
        }
        let cause = TurnCause { step: Some(step.id), asked: false, why, fault: None };
        Command::Turn { reached: self.reached(plan), cause }
    }

    fn turn_at(&self, plan: &Plan, step: &Step, fault: &Fault) -> Command {
        let cause = TurnCause {
            step: Some(step.id.clone()),
            asked: false,
            why: format!("{}: {}", step.id, fault.message),
            fault: Some(fault.clone()),
        };
        Command::Turn { reached: self.reached(plan), cause }
    }

    /// Whether the fence may be up: it was begun, and not refused, as it is where another run holds the node.
    fn took_the_node(&self, plan: &Plan) -> bool {
        plan.steps().filter(|step| step.kind == StepKind::Fence).any(|step| match self.step(&step.id) {
            StepState::Pending => self.begun.contains(&step.id),
            StepState::Failed { fault } => fault.kind != FaultKind::Refused,
            StepState::Intended | StepState::Done { .. } => true,
        })
    }

    /// How far the run has gone forward, by what was *begun*: an intent counts, since its effect may have happened.
    #[must_use]
    pub fn reached(&self, plan: &Plan) -> Reached {
        let done = |step: &Step| matches!(self.step(&step.id), StepState::Done { .. });
        let begun = |kind| {
            let counts = |step: &Step| {
                if mutated(Mutant::ReachedByOutcome) { done(step) } else { self.begun.contains(&step.id) }
            };
            plan.steps().any(|step| step.kind == kind && counts(step))
        };
        // A restore exchanges the data themselves, so from its begin on it is the stopped copy that leads back.
        if begun(StepKind::Start) || begun(StepKind::Restore) {
            Reached::Started
        } else if begun(StepKind::Stop) {
            Reached::Stopped
        } else {
            Reached::Prepared
        }
    }

    #[must_use]
    pub fn step(&self, id: &str) -> &StepState {
        self.steps.get(id).unwrap_or(&StepState::Pending)
    }

    /// The proof of a step that is done.
    #[must_use]
    pub fn proof(&self, id: &str) -> Option<&serde_json::Value> {
        match self.step(id) {
            StepState::Done { proof } => Some(proof),
            _ => None,
        }
    }

    /// How often a step was begun.
    #[must_use]
    pub fn tries(&self, id: &str) -> u32 {
        self.tries.get(id).copied().unwrap_or(0)
    }

    #[must_use]
    pub const fn turn(&self) -> Option<&(Reached, TurnCause)> {
        self.turn.as_ref()
    }

    #[must_use]
    pub const fn end(&self) -> Option<EndState> {
        self.end
    }

    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The highest revision that any probe or gate of this run has seen.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether a person asked for the way back.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.wish || self.turn.as_ref().is_some_and(|(_, cause)| cause.asked)
    }
}

/// Whether a step of this kind is begun again without being probed.
fn repeats(kind: StepKind) -> bool {
    mutated(Mutant::NoProbe) || declaration(kind).idempotence == Idempotence::Repeat
}

/// Whether a fault counts as done: never, but in a test build that has this bug.
fn passed_over(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::GateNo => mutated(Mutant::BelieveNo) || mutated(Mutant::GoOnAfterFault),
        FaultKind::Channel | FaultKind::Stale => false,
        _ => mutated(Mutant::GoOnAfterFault),
    }
}
