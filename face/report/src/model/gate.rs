use std::collections::BTreeSet;

use belay_engine::{Event, GateAnswer, Record, Verdict};
use belay_plan::GateName;
use jiff::Timestamp;
use serde::Serialize;

use super::{StepOutcome, StepReport};
use crate::count;

/// One answer to one gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GateReport {
    pub step: String,
    /// It was asked on the way back.
    pub back: bool,
    pub at: Timestamp,
    #[serde(flatten)]
    pub answer: GateAnswer,
}

/// What the gates of every step that asks say together, as the step's own line.
pub(super) fn tally(steps: &mut [StepReport], gates: &[GateReport]) {
    for step in steps.iter_mut().filter(|step| step.state == StepOutcome::Done && step.says.is_empty()) {
        let yes: BTreeSet<GateName> = gates
            .iter()
            .filter(|gate| gate.step == step.id && gate.answer.verdict == Verdict::Yes)
            .map(|gate| gate.answer.name)
            .collect();
        if !yes.is_empty() {
            step.says = count(yes.len(), "gate yes", "gates yes");
        }
    }
}

pub(super) fn gates(steps: &[StepReport], records: &[Record]) -> Vec<GateReport> {
    let mut turned = false;
    let mut gates = Vec::new();
    for record in records {
        match &record.event {
            Event::Turn { .. } => turned = true,
            Event::Gate { step, answer } => {
                let back = steps.iter().find(|known| known.id == *step).map_or(turned, |known| known.back);
                gates.push(GateReport { step: step.clone(), back, at: record.at, answer: answer.clone() });
            }
            _ => {}
        }
    }
    gates
}
