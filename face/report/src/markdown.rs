use std::fmt::Write as _;

use crate::model::{Report, StepOutcome};
use crate::{duration, moment};

/// The run for a pull request or a ticket: short, and safe to paste.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "## {}\n", cell(&report.title()));
    let _ = writeln!(out, "{}\n", cell(&report.verdict));
    let state = report.state().map_or("open", |state| state.name());
    let at = report.started.map(moment).unwrap_or_default();
    let _ = writeln!(
        out,
        "Run `{}` · {state} · {at} · API gap {}\n",
        report.run,
        report.api.sentence().replace('\u{a0}', " ")
    );
    let _ = writeln!(out, "| step | state | took | |\n|---|---|--:|---|");
    for step in report.steps.iter().filter(|step| step.state != StepOutcome::NotReached) {
        let took = step.took.map(duration).unwrap_or_default();
        let _ = writeln!(out, "| {} | {} | {took} | {} |", cell(&step.id), step.state.name(), cell(&step.says));
    }
    for next in &report.next {
        let _ = write!(out, "\n{}\n", cell(next));
    }
    out
}

/// Text of others inside Markdown: one line, no table or HTML of its own.
fn cell(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|")
}
