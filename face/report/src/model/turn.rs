use belay_engine::{Event, Fault, Halt, Record, Verdict};
use belay_facts::Span;
use belay_plan::{Reached, StepKind, WayClass};
use jiff::Timestamp;
use serde::Serialize;

use super::{GateReport, StepOutcome, StepReport};
use crate::quantity;

/// The moment from which the run went back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TurnReport {
    pub at: Timestamp,
    pub reached: Reached,
    /// A person asked for it.
    pub asked: bool,
    /// A person halted it, in the journal's words: it has not done what it was asked, and nothing was at fault.
    pub halted: Option<String>,
    pub step: Option<String>,
    pub why: String,
    pub fault: Option<Fault>,
    /// The gates of that step that did not say yes, in the order of their answers.
    pub gates: Vec<GateReport>,
    /// Until the last gate of the way back answered; `None` when none did.
    pub back_after: Option<Span>,
}

impl TurnReport {
    /// Whether it says nothing about where the run was to lead: a person halted it, or it was decided away from its steps, by the
    /// guard or for want of a journal.
    #[must_use]
    pub fn is_no_verdict(&self) -> bool {
        !self.asked && (self.halted.is_some() || (self.step.is_none() && self.gates.is_empty()))
    }
}

pub(super) fn turn(records: &[Record], turn_at: Option<usize>, gates: &[GateReport]) -> Option<TurnReport> {
    let record = records.get(turn_at?)?;
    let Event::Turn { reached, cause } = &record.event else { return None };
    let decisive = |gate: &&GateReport| cause.step.as_ref() == Some(&gate.step) && gate.answer.verdict != Verdict::Yes;
    // A gate is asked again after a resume: only the last answer of each decided.
    let is_last = |gate: &&GateReport| {
        let same = |other: &&GateReport| other.step == gate.step && other.answer.name == gate.answer.name;
        gates.iter().rfind(same).is_some_and(|last| std::ptr::eq(last, *gate))
    };
    let last = records.iter().skip(turn_at?).rfind(|later| matches!(later.event, Event::Gate { .. }));
    Some(TurnReport {
        at: record.at,
        reached: *reached,
        asked: cause.asked,
        halted: Halt::of(&cause.why).map(|halt| halt.to_string()),
        step: cause.step.clone(),
        why: cause.why.clone(),
        fault: cause.fault.clone(),
        gates: gates.iter().filter(decisive).filter(is_last).cloned().collect(),
        back_after: last.map(|last| since(record, last)),
    })
}

/// By what was begun, not by what was planned. A swap back of what never ran is of no class: there was nothing to lose.
pub(super) fn class(planned: WayClass, steps: &[StepReport]) -> Option<WayClass> {
    let begun =
        |kind| steps.iter().any(|step| step.back && step.kind == Some(kind) && step.state != StepOutcome::NotReached);
    if begun(StepKind::PutBack) {
        return Some(WayClass::Keep);
    }
    (planned == WayClass::Binary && begun(StepKind::Stop) && begun(StepKind::SwapBack)).then_some(planned)
}

/// By the boot clock where both were written in one boot: the wall clock may be set in between.
fn since(from: &Record, to: &Record) -> Span {
    if from.boot == to.boot { Span::millis(to.up.saturating_sub(from.up)) } else { quantity::between(from.at, to.at) }
}
