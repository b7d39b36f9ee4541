use belay_engine::{FaultKind, ProbeState};
use maud::{Markup, html};

use super::{section, value};
use crate::model::{Attempt, Report, StepOutcome, StepReport};
use crate::quantity::planned;
use crate::{clock, duration};

pub(super) fn steps(report: &Report) -> Markup {
    let lead = "Every step is journalled before it is done, and again with its proof. Open one to see the evidence.";
    let content = html! {
        div.steps {
            @for step in report.steps.iter().filter(|step| !step.back) { (row(step)) }
            @if report.steps.iter().any(|step| step.back) {
                p.divider { span { "↩ the way back to " (report.from) } }
                @for step in report.steps.iter().filter(|step| step.back) { (row(step)) }
            }
        }
    };
    section("steps", "Steps", lead, Some(content))
}

/// The class of a state's colour, and its sign.
pub(super) const fn sign(state: StepOutcome) -> (&'static str, &'static str) {
    match state {
        StepOutcome::Done => ("good", "✓"),
        StepOutcome::Failed => ("bad", "✗"),
        StepOutcome::Unknown => ("back", "?"),
        StepOutcome::NotDone | StepOutcome::Partial => ("back", "!"),
        StepOutcome::NotReached => ("none", "·"),
    }
}

fn row(step: &StepReport) -> Markup {
    let (class, sign) = sign(step.state);
    let line = html! {
        span.sign { (sign) }
        span.name { (step.name()) @if let Some(length) = step.length { " " span.quiet { (planned(length)) } } }
        span.says { @if step.says.is_empty() { (step.state.name()) } @else { (step.says) } }
        span.at { @if let Some(at) = step.started { (clock(at)) } }
        span.took { @if let Some(took) = step.took { (duration(took)) } }
    };
    html! {
        @if step.attempts.is_empty() {
            div.row.(class) { (line) }
        } @else {
            details.row.(class) {
                summary { (line) }
                div.inside {
                    p.quiet {
                        code { (step.id) }
                        @if let Some(deadline) = step.deadline { " · deadline " (planned(deadline)) }
                    }
                    @for attempt in &step.attempts { (tried(step, attempt)) }
                }
            }
        }
    }
}

fn tried(step: &StepReport, attempt: &Attempt) -> Markup {
    html! {
        @if step.attempts.len() > 1 || attempt.state != StepOutcome::Done || !attempt.found.is_empty() {
            p.attempt {
                b { "Attempt " (attempt.number) } ", " (attempt.state.name()) ": begun at " (clock(attempt.started))
                @if let Some(took) = attempt.took { ", took " (duration(took)) }
                " (generation " (attempt.generation) ")"
            }
        }
        @if let Some(fault) = &attempt.fault {
            p.fault { b { (fault_name(fault.kind)) ": " } (fault.message) }
            @if let Some(hint) = &fault.hint { p.hint { "Hint: " (ticked(hint)) } }
        }
        @if !attempt.proof.is_null() { (value::value(&attempt.proof)) }
        @for found in &attempt.found {
            p.attempt {
                b { "Found out at " (clock(found.at)) ": " (probed(found.state)) ". " } (found.says)
            }
            @if !found.proof.is_null() { (value::value(&found.proof)) }
        }
    }
}

pub(super) const fn fault_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Refused => "refused",
        FaultKind::Stale => "stale",
        FaultKind::Failed => "failed",
        FaultKind::Deadline => "deadline passed",
        FaultKind::GateNo => "a gate said no",
        FaultKind::Inconclusive => "inconclusive",
        FaultKind::Fenced => "fenced",
        FaultKind::Space => "no space",
        FaultKind::Io => "disk fault",
        FaultKind::Channel => "the channel broke",
        FaultKind::Human => "only a human can decide",
    }
}

const fn probed(state: ProbeState) -> &'static str {
    match state {
        ProbeState::Done => "it was done",
        ProbeState::NotDone => "it was not done",
        ProbeState::Partial => "it was half done",
    }
}

/// Text with `commands` between backticks set as code.
pub(super) fn ticked(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
