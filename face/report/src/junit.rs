use std::collections::BTreeMap;
use std::fmt::Write as _;

use belay_engine::{EndState, Verdict};
use belay_facts::Span;

use crate::model::{GateReport, Report, StepOutcome, StepReport};

/// The run for a CI: a test case for each step, for each gate of a step by its last answer, and for how the run ended.
///
/// A step or gate that was not reached, and a gate that was not asked, is `skipped`; a gate without an answer in time is a
/// failure of type `inconclusive`; a step whose outcome is not known is an `error`.
#[must_use]
pub fn junit(report: &Report) -> String {
    let suites = [
        Suite { name: "steps", cases: report.steps.iter().map(of_step).collect() },
        Suite { name: "gates", cases: gates(report) },
        Suite { name: "run", cases: vec![of_end(report)] },
    ];
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" {} time=\"{}\">",
        text(&format!("belay {}", report.run)),
        counts(cases()),
        seconds(report.took)
    );
    for suite in &suites {
        suite.write(&mut out, report);
    }
    out.push_str("</testsuites>\n");
    out
}

struct Suite {
    name: &'static str,
    cases: Vec<Case>,
}

struct Case {
    /// The node, and `back` on the way back.
    class: String,
    name: String,
    took: Option<Span>,
    result: CaseResult,
}

enum CaseResult {
    Passed,
    Skipped(String),
    Failed { kind: &'static str, message: String },
    Error(String),
}

impl Suite {
    fn write(&self, out: &mut String, report: &Report) {
        let at = report.started.map(|at| format!(" timestamp=\"{}\"", at.strftime("%Y-%m-%dT%H:%M:%S")));
        let total = seconds(Some(self.cases.iter().filter_map(|case| case.took).sum()));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" {} time=\"{total}\"{}>",
            self.name,
            counts(self.cases.iter()),
            at.unwrap_or_default()
        );
        let properties = [
            ("run", report.run.as_str()),
            ("cluster", report.cluster.as_str()),
            ("from", &report.from.to_string()),
            ("to", &report.to.to_string()),
            ("plan", &report.plan.to_string()),
        ]
        .map(|(name, value)| format!("      <property name=\"{name}\" value=\"{}\"/>\n", text(value)));
        let _ = write!(out, "    <properties>\n{}    </properties>\n", properties.concat());
        for case in &self.cases {
            case.write(out);
        }
        out.push_str("  </testsuite>\n");
    }
}

impl Case {
    fn write(&self, out: &mut String) {
        let _ = write!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
            text(&self.class),
            text(&self.name),
            seconds(self.took)
        );
        let _ = match &self.result {
            CaseResult::Passed => writeln!(out, "/>"),
            CaseResult::Skipped(why) => writeln!(out, "><skipped message=\"{}\"/></testcase>", text(why)),
            CaseResult::Failed { kind, message } => {
                writeln!(out, "><failure type=\"{kind}\" message=\"{}\"/></testcase>", text(message))
            }
            CaseResult::Error(message) => {
                writeln!(out, "><error type=\"unknown\" message=\"{}\"/></testcase>", text(message))
            }
        };
    }
}

fn of_step(step: &StepReport) -> Case {
    let or = |says: &str, else_: &str| if says.is_empty() { else_.to_owned() } else { says.to_owned() };
    let result = match step.state {
        StepOutcome::Done => CaseResult::Passed,
        StepOutcome::NotReached => CaseResult::Skipped("not reached".to_owned()),
        StepOutcome::Failed => CaseResult::Failed { kind: "failed", message: or(&step.says, "failed") },
        StepOutcome::NotDone | StepOutcome::Partial | StepOutcome::Unknown => {
            CaseResult::Error(or(&step.says, "its outcome is not known"))
        }
    };
    Case { class: class(&step.node, step.back), name: step.name().to_owned(), took: step.took, result }
}

/// The last answer of every gate of every step that asks, and the gates that were not asked there.
fn gates(report: &Report) -> Vec<Case> {
    let mut cases = Vec::new();
    for step in &report.steps {
        let mut last: BTreeMap<_, &GateReport> = BTreeMap::new();
        for gate in report.gates.iter().filter(|gate| gate.step == step.id) {
            last.insert(gate.answer.name, gate);
        }
        let class = class(&step.node, step.back);
        let name = |gate: &belay_plan::GateName| format!("{} {gate}", step.name());
        cases.extend(last.iter().map(|(gate, answered)| {
            let answer = &answered.answer;
            let failed = |kind| CaseResult::Failed { kind, message: answer.says.clone() };
            let result = match answer.verdict {
                Verdict::Yes => CaseResult::Passed,
                Verdict::No => failed("no"),
                Verdict::Inconclusive => failed("inconclusive"),
            };
            Case { class: class.clone(), name: name(gate), took: Some(answer.after), result }
        }));
        cases.extend(step.not_asked.iter().map(|gate| Case {
            class: class.clone(),
            name: name(gate),
            took: None,
            result: CaseResult::Skipped("not asked: it gave no answer when the plan was made".to_owned()),
        }));
    }
    cases
}

/// A run that went back by itself has failed, even where every step of the way back was done.
fn of_end(report: &Report) -> Case {
    let asked = report.turn.as_ref().is_some_and(|turn| turn.asked);
    let result = match report.state() {
        Some(EndState::Committed) => CaseResult::Passed,
        Some(EndState::Restored | EndState::Unchanged) if asked => CaseResult::Passed,
        Some(state) => CaseResult::Failed { kind: state.name(), message: report.verdict.clone() },
        None => CaseResult::Error(report.verdict.clone()),
    };
    Case { class: class(&report.subject(), false), name: "end".to_owned(), took: report.took, result }
}

fn class(node: &str, back: bool) -> String {
    if back { format!("belay.{node}.back") } else { format!("belay.{node}") }
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.result {
            CaseResult::Passed => {}
            CaseResult::Skipped(_) => skipped += 1,
            CaseResult::Failed { .. } => failures += 1,
            CaseResult::Error(_) => errors += 1,
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn seconds(span: Option<Span>) -> String {
    let millis = span.map_or(0, Span::as_millis);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Text of others inside an attribute. XML 1.0 has no way to write most control characters, not even escaped.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{a0}' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
