use std::fmt::Write as _;

use crate::model::{Report, StepOutcome};
use crate::{duration, moment};

/// So many lost objects are named in a ticket.
const MOST: usize = 20;

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
        "Run `{}` · {state}{} · {at} · API gap {}\n",
        report.run,
        report.went_back_by.map(|class| format!(" by class {class}")).unwrap_or_default(),
        report.api.sentence().replace('\u{a0}', " ")
    );
    let _ = writeln!(out, "| step | state | took | |\n|---|---|--:|---|");
    for step in report.steps.iter().filter(|step| step.state != StepOutcome::NotReached) {
        let took = step.took.map(duration).unwrap_or_default();
        let _ = writeln!(out, "| {} | {} | {took} | {} |", cell(&step.id), step.state.name(), cell(&step.says));
    }
    if let Some(lost) = &report.lost {
        let (named, more) = lost.first(MOST);
        let what = if lost.given_up { "Given up" } else { "Set aside" };
        let none = if named.is_empty() && more == 0 { " nothing but heartbeats" } else { "" };
        let _ = writeln!(out, "\n{what}:{none}\n");
        for object in named {
            let _ = writeln!(out, "- {}", cell(&object));
        }
        if more > 0 {
            let _ = writeln!(out, "- and {more} more, in the report as HTML or JSON");
        }
    }
    for (index, next) in report.next.iter().enumerate() {
        let lead = if index == 0 { "Next: " } else { "" };
        let _ = write!(out, "\n{lead}{}\n", cell(next));
    }
    out
}

/// Text of others inside Markdown: one line, no table or HTML of its own.
pub(crate) fn cell(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|")
}
