use belay_engine::EndState;
use belay_facts::Span;
use belay_plan::{Goal, MeasuredRun, MeasuredStep, StepKind};

use crate::{Report, StepOutcome};

/// What a run measured, as far as it says something of the next one: an upgrade that went through at once, with its API
/// watched from begin to end. `None` for any other.
#[must_use]
pub fn measured_run(report: &Report) -> Option<MeasuredRun> {
    let straight = report.goal == Goal::Upgrade && report.turn.is_none() && report.resumes.is_empty();
    let api = &report.api;
    if !straight || report.state() != Some(EndState::Committed) || !api.complete {
        return None;
    }
    let steps: Vec<MeasuredStep> = (report.steps.iter())
        .filter(|step| step.state == StepOutcome::Done)
        .filter_map(|step| Some(MeasuredStep { kind: step.kind?, took: step.took? }))
        .collect();
    let soak: Span = steps.iter().filter(|step| step.kind == StepKind::Soak).map(|step| step.took).sum();
    let took = report.took?.as_millis().saturating_sub(soak.as_millis());
    Some(MeasuredRun {
        run: report.run.clone(),
        at: report.started?,
        from: report.from.clone(),
        to: report.to.clone(),
        api_gap: api.forward.unwrap_or(Span::ZERO),
        duration: Span::millis(took),
        steps,
    })
}
