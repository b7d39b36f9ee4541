use std::collections::BTreeSet;

use belay_engine::{Event, Record};
use belay_plan::StepKind;
use jiff::Timestamp;
use serde::Serialize;

use super::StepReport;

/// A part of a run of which nobody knows whether the API answered: its process was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unmeasured {
    pub from: Timestamp,
    /// When somebody went on with the run.
    pub until: Timestamp,
    /// The process was killed: what it had seen until then went with it, so this begins when it did.
    pub killed: bool,
    /// K3s was stopped as the process went, and not known to be started.
    pub down: bool,
}

pub(super) fn unmeasured(records: &[Record], steps: &[StepReport]) -> Vec<Unmeasured> {
    let measured: BTreeSet<u64> = records
        .iter()
        .filter(|record| matches!(record.event, Event::Measured { .. }))
        .map(|record| record.generation)
        .collect();
    let kind = |id: &str| steps.iter().find(|step| step.id == id).and_then(|step| step.kind);
    let mut found = Vec::new();
    let (mut began, mut down) = (None, false);
    let mut last: Option<&Record> = None;
    for record in records {
        match &record.event {
            Event::Resumed { .. } => {
                if let (Some(began), Some(left)) = (began, last) {
                    let killed = !measured.contains(&left.generation);
                    let from = if killed { began } else { left.at };
                    found.push(Unmeasured { from, until: record.at, killed, down });
                }
                began = Some(record.at);
            }
            Event::Intent { step, .. } if kind(step) == Some(StepKind::Stop) => down = true,
            Event::Outcome { step, ok: true, .. } if kind(step) == Some(StepKind::Start) => down = false,
            _ => {}
        }
        began = began.or(Some(record.at));
        last = Some(record);
    }
    found
}
