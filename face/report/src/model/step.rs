use belay_engine::{Event, Fault, ProbeState, Record};
use belay_facts::Span;
use belay_plan::{GateName, Plan, Reached, Step, StepKind};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::proof_summary;

/// One step of the plan or of the way back, with everything that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    pub id: String,
    pub node: String,
    /// `None` when the journal names a step that the plan does not.
    pub kind: Option<StepKind>,
    /// It belongs to the way back.
    pub back: bool,
    pub state: StepOutcome,
    pub started: Option<Timestamp>,
    /// Over all attempts whose length is known.
    pub took: Option<Span>,
    pub deadline: Option<Span>,
    /// `soak`: how long was asked for.
    #[serde(rename = "for")]
    pub length: Option<Span>,
    /// Gates that gave no answer when the plan was made, so that this step did not ask them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_asked: Vec<GateName>,
    /// What was shown, or why it failed, in one line.
    pub says: String,
    pub attempts: Vec<Attempt>,
}

/// Where a step, or one attempt at it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// The run ended or turned before it.
    NotReached,
    /// Begun; what came of it is not known.
    Unknown,
    Done,
    Failed,
    /// Found out after a kill: it had no effect.
    NotDone,
    /// Found out after a kill: it had begun to have an effect.
    Partial,
}

/// One attempt at a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attempt {
    pub number: u32,
    pub generation: u64,
    pub started: Timestamp,
    pub took: Option<Span>,
    pub state: StepOutcome,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub proof: Value,
    pub fault: Option<Fault>,
    /// What was found out afterwards, when its outcome was unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
}

/// The answer to “did it happen?”.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    pub at: Timestamp,
    pub state: ProbeState,
    pub says: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub proof: Value,
}

impl StepOutcome {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::NotDone => "not done",
            Self::Partial => "half done",
        }
    }
}

impl StepReport {
    fn planned(step: &Step, back: bool) -> Self {
        Self {
            id: step.id.clone(),
            node: step.node.clone(),
            kind: Some(step.kind),
            back,
            state: StepOutcome::NotReached,
            started: None,
            took: None,
            deadline: Some(step.deadline),
            length: step.length,
            not_asked: step.not_asked.clone(),
            says: String::new(),
            attempts: Vec::new(),
        }
    }

    fn strange(id: &str, back: bool) -> Self {
        let node = id.split('.').next().unwrap_or(id).to_owned();
        Self {
            id: id.to_owned(),
            node,
            kind: None,
            back,
            state: StepOutcome::NotReached,
            started: None,
            took: None,
            deadline: None,
            length: None,
            not_asked: Vec::new(),
            says: String::new(),
            attempts: Vec::new(),
        }
    }

    /// The kind's name; for a strange step what follows the node.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.kind {
            Some(kind) => kind.name(),
            None => self.id.split_once('.').map_or(self.id.as_str(), |(_, name)| name),
        }
    }

    /// The proof of the attempt that succeeded.
    #[must_use]
    pub fn proof(&self) -> Option<&Value> {
        let done = self.attempts.iter().rev().find(|attempt| attempt.state == StepOutcome::Done)?;
        let found = done.found.iter().rev().find(|found| found.state == ProbeState::Done);
        Some(found.map_or(&done.proof, |found| &found.proof))
    }

    /// The fault of the last attempt.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.attempts.last().and_then(|attempt| attempt.fault.as_ref())
    }

    fn settle(&mut self) {
        self.started = self.attempts.first().map(|attempt| attempt.started);
        let known: Vec<Span> = self.attempts.iter().filter_map(|attempt| attempt.took).collect();
        self.took = (!known.is_empty()).then(|| known.into_iter().sum());
        let Some(last) = self.attempts.last() else { return };
        self.state = last.state;
        self.says = match (last.state, &last.fault) {
            (StepOutcome::Done, _) => {
                self.kind.zip(self.proof()).map_or_else(String::new, |(kind, proof)| proof_summary(kind, proof))
            }
            (_, Some(fault)) => fault.message.clone(),
            (_, None) => last.found.last().map_or_else(String::new, |found| found.says.clone()),
        };
    }
}

/// All steps of the plan, after a turn those of the way back, and any that the journal names besides.
pub(super) fn steps(plan: &Plan, records: &[Record], turn_at: Option<usize>) -> Vec<StepReport> {
    let mut steps: Vec<StepReport> = plan.steps().map(|step| StepReport::planned(step, false)).collect();
    for reached in records.iter().filter_map(reached) {
        steps.extend(plan.inverse(reached).iter().map(|step| StepReport::planned(step, true)));
    }
    for (index, record) in records.iter().enumerate() {
        let back = turn_at.is_some_and(|turn| index > turn);
        match &record.event {
            Event::Intent { step, attempt } => {
                let attempt = Attempt::begun(record, *attempt, record.at);
                at(&mut steps, plan, step, back).attempts.push(attempt);
            }
            Event::Outcome { step, ok, proof, fault, took } => {
                let attempt = last(at(&mut steps, plan, step, back), record);
                attempt.took = Some(*took);
                attempt.proof = proof.clone();
                attempt.fault = fault.clone();
                attempt.state = match fault {
                    _ if *ok => StepOutcome::Done,
                    Some(fault) if fault.kind.leaves_doubt() => StepOutcome::Unknown,
                    _ => StepOutcome::Failed,
                };
            }
            Event::Probed { step, state, proof, says } => {
                let attempt = last(at(&mut steps, plan, step, back), record);
                attempt.state = match state {
                    ProbeState::Done => StepOutcome::Done,
                    ProbeState::NotDone => StepOutcome::NotDone,
                    ProbeState::Partial => StepOutcome::Partial,
                };
                attempt.found.push(Found { at: record.at, state: *state, says: says.clone(), proof: proof.clone() });
            }
            _ => {}
        }
    }
    steps.iter_mut().for_each(StepReport::settle);
    steps
}

fn reached(record: &Record) -> Option<Reached> {
    match &record.event {
        Event::Turn { reached, .. } => Some(*reached),
        _ => None,
    }
}

fn at<'a>(steps: &'a mut Vec<StepReport>, plan: &Plan, id: &str, back: bool) -> &'a mut StepReport {
    let index = steps.iter().position(|step| step.id == id).unwrap_or(steps.len());
    if index == steps.len() {
        // One of a way back that began otherwise than it was turned to: the new version had run after all.
        let known = plan.any_step(id).map(|step| StepReport::planned(&step, back));
        steps.push(known.unwrap_or_else(|| StepReport::strange(id, back)));
    }
    #[expect(clippy::indexing_slicing, reason = "the index was found, or pushed one line above")]
    &mut steps[index]
}

/// The attempt that a record is about. One without an intent is kept as attempt 0: the journal is not whole, not empty.
fn last<'a>(step: &'a mut StepReport, record: &Record) -> &'a mut Attempt {
    if step.attempts.is_empty() {
        step.attempts.push(Attempt::begun(record, 0, record.at));
    }
    let index = step.attempts.len() - 1;
    #[expect(clippy::indexing_slicing, reason = "it is not empty: one was pushed above")]
    &mut step.attempts[index]
}

impl Attempt {
    const fn begun(record: &Record, number: u32, started: Timestamp) -> Self {
        Self {
            number,
            generation: record.generation,
            started,
            took: None,
            state: StepOutcome::Unknown,
            proof: Value::Null,
            fault: None,
            found: Vec::new(),
        }
    }
}
