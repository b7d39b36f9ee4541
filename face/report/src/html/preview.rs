use belay_plan::{Basis, Fate, Preview};
use maud::{Markup, html};

use super::section;
use crate::model::{Disturbed, Report};
use crate::{count, duration};

/// What was foretold for workloads when the run was begun.
pub(super) fn preview(report: &Report) -> Markup {
    let content = report.preview.as_ref().map(|preview| {
        html! {
            p { (gap(preview)) }
            @if let Some(found) = &report.disturbed { (after(found)) }
            @if !preview.workloads.is_empty() {
                div.scroll { table {
                    thead { tr { th { "workload" } th { "pods here" } th { "in the upgrade" } th { "if the node went away" } } }
                    tbody { @for one in &preview.workloads {
                        tr {
                            td { (one.workload) }
                            td { @match one.pods { Some(pods) => (pods), None => "?" } }
                            td { (word(one.fate)) @if let Some(why) = &one.why { span.quiet { ": " (why) } } }
                            td { @for (index, hold) in one.holds.iter().enumerate() { @if index > 0 { "; " } (hold) } }
                        }
                    } }
                } }
            }
            @for unknown in &preview.unknown { p.quiet { "Not known: " (unknown) } }
        }
    });
    section("preview", "What was foretold for workloads", "", content)
}

/// How it came: the pods of before and after.
fn after(found: &Disturbed) -> Markup {
    let Disturbed { pods, restarted, replaced } = found;
    html! {
        p {
            "Of " (count(*pods, "pod", "pods")) " that ran before, "
            (restarted.len()) " had a container start again" @if !restarted.is_empty() { " (" (restarted.join(", ")) ")" }
            " and " (replaced.len()) " are gone or were made again" @if !replaced.is_empty() { " (" (replaced.join(", ")) ")" }
            "."
        }
    }
}

const fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::RunsOn => "runs on",
        Fate::MayBeReplaced => "its pods may be replaced",
        Fate::MayRestart => "its containers may restart",
        Fate::Restarts => "its containers restart",
    }
}

fn gap(preview: &Preview) -> String {
    let expected = &preview.expected;
    let most = duration(expected.api_gap.most);
    match expected.basis {
        Basis::Estimated => {
            format!("The API was expected to be away for about {most}: an estimate, nothing was measured before.")
        }
        Basis::Measured => {
            let runs = count(expected.runs.len(), "earlier upgrade", "earlier upgrades");
            format!("The API was expected to be away for at most {most}, as {runs} of {} had measured.", preview.node)
        }
    }
}
