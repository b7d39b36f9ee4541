use std::fmt::Write as _;

use belay_checks::{Finding, Verdict};

use super::{CheckReport, place};
use crate::api_users_text::api_users_markdown;
use crate::markdown::cell;

/// A check for a pull request or a ticket: a table, worst first, and what to do about each.
#[must_use]
pub fn check_markdown(report: &CheckReport<'_>) -> String {
    let to = report.to.map(|to| format!(" for {to}")).unwrap_or_default();
    let mut out = format!("## belay check{to}\n\n");
    let open = || report.findings.iter().filter(|finding| finding.accepted.is_none());
    if open().next().is_none() {
        out.push_str("Nothing new was found that speaks against it.\n");
    } else {
        out.push_str("| | rule | where | what | fix |\n|---|---|---|---|---|\n");
        for finding in open() {
            let unknown = if finding.verdict == Verdict::Unknown { "cannot be ruled out: " } else { "" };
            let seen =
                if finding.evidence.is_empty() { String::new() } else { format!(" ({})", finding.evidence.join("; ")) };
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "| {} | `{}` | {} | {unknown}{}{} | {} |",
                finding.severity,
                finding.rule,
                cell(place(finding)),
                cell(&finding.title),
                cell(&seen),
                cell(&finding.fix)
            );
        }
    }
    out.push_str(&api_users_markdown(report.users));
    let mut excused = |heading: &str, findings: &mut dyn Iterator<Item = &Finding>| {
        for (index, finding) in findings.enumerate() {
            let heading = if index == 0 { format!("\n{heading}:\n\n") } else { String::new() };
            let why = finding.accepted.as_ref().map(|a| format!(" ({} until {}: {})", a.by, a.until, a.reason));
            let why = cell(&why.unwrap_or_default());
            let _ =
                writeln!(out, "{heading}- `{}` {}: {}{why}", finding.rule, cell(place(finding)), cell(&finding.title));
        }
    };
    excused("Accepted", &mut report.findings.iter().filter(|finding| finding.accepted.is_some()));
    excused("Known, in the baseline", &mut report.known.iter());
    out
}
