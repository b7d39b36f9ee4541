use std::fmt::Write as _;

use belay_checks::Finding;

use super::{CheckReport, place, told};
use crate::junit::text;

/// A check for a CI: a test case for every rule and node that said something, and one for every rule that did not.
///
/// What fails by `--fail-on` is a `failure` of the type of its severity; what is accepted or known is `skipped`; what is
/// less than that passes, with its text in `system-out`.
#[must_use]
pub fn check_junit(report: &CheckReport<'_>) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures, mut skipped) = (0_usize, 0_usize, 0_usize);
    let mut case = |finding: &Finding, known: bool| {
        tests = tests.saturating_add(1);
        let head = format!("classname=\"belay.check.{}\" name=\"{}\"", text(place(finding)), text(&finding.rule));
        let told = text(&told(finding));
        let excused = match (&finding.accepted, known) {
            (Some(accepted), _) => Some(format!("accepted by {} until {}", accepted.by, accepted.until)),
            (None, true) => Some("known: in the baseline".to_owned()),
            (None, false) => None,
        };
        // Writing to a String cannot fail.
        let _ = match excused {
            Some(why) => {
                skipped = skipped.saturating_add(1);
                writeln!(cases, "    <testcase {head}><skipped message=\"{}\"/></testcase>", text(&why))
            }
            None if report.fails(finding) => {
                failures = failures.saturating_add(1);
                let kind = finding.severity;
                writeln!(cases, "    <testcase {head}><failure type=\"{kind}\" message=\"{told}\"/></testcase>")
            }
            None => writeln!(cases, "    <testcase {head}><system-out>{told}</system-out></testcase>"),
        };
    };
    report.findings.iter().for_each(|finding| case(finding, false));
    report.known.iter().for_each(|finding| case(finding, true));
    let silent = |id: &str| report.findings.iter().chain(report.known).all(|finding| finding.rule != id);
    for rule in report.rules.iter().filter(|rule| silent(&rule.id)) {
        tests = tests.saturating_add(1);
        let _ = writeln!(cases, "    <testcase classname=\"belay.check\" name=\"{}\"/>", text(&rule.id));
    }
    let to = report.to.map(|to| format!(" --to {to}")).unwrap_or_default();
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"");
    let name = text(&format!("belay check{to}"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" {counts}>\n  \
         <testsuite name=\"check\" {counts}>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}
