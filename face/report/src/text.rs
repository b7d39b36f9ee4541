use belay_engine::{EndState, Verdict};
use belay_plan::{Goal, StepKind, WayClass};
use serde_json::Value;

use crate::model::{GateReport, PortReport, Report, StepOutcome, StepReport, TurnReport};
use crate::quantity::planned;
use crate::{Mark, Style, count, duration, moment, verdict};

/// The run on one screen. `place` is where the HTML report lies, when it was written.
#[must_use]
pub fn text(report: &Report, style: Style, place: Option<&str>) -> String {
    let mut out = head(report, style);
    out.push_str(&done(report, style, false));
    if let Some(turn) = &report.turn {
        out.push_str(&decisive(report, turn, style));
        out.push_str(&going_back(report, turn, style));
    } else if let Some(failed) = report.steps.iter().rfind(|step| step.state == StepOutcome::Failed) {
        out.push_str(&failure(failed, style));
    }
    out.push_str(&finally(report, style, place));
    out
}

fn head(report: &Report, style: Style) -> String {
    let title = report.title();
    let at = report.started.map_or_else(String::new, |at| format!(" · {}", moment(at)));
    let resumed = match report.resumes.len() {
        0 => String::new(),
        1 => " · resumed once".to_owned(),
        n => format!(" · resumed {}", count(n, "time", "times")),
    };
    format!("{}{}\n\n", style.bold(&title), style.dim(&format!(" · run {}{at}{resumed}", report.run)))
}

/// The steps that were done, in one flowing paragraph: their order and times, and nothing else.
fn done(report: &Report, style: Style, back: bool) -> String {
    let parts: Vec<String> = report
        .steps
        .iter()
        .filter(|step| step.back == back && step.state == StepOutcome::Done)
        .map(|step| {
            let took = step.took.map_or_else(String::new, |took| format!(" {}", duration(took)));
            let tries =
                if step.attempts.len() > 1 { format!(" ({} attempts)", step.attempts.len()) } else { String::new() };
            format!("{}{took}{tries}", step.name()).replace(' ', "\u{a0}")
        })
        .collect();
    if parts.is_empty() { String::new() } else { style.paragraph(Mark::Yes, &parts.join(" · ")) }
}

/// Why it turned: the gates that did not say yes with their evidence, else the step's fault, else the person.
fn decisive(report: &Report, turn: &TurnReport, style: Style) -> String {
    if turn.asked {
        return style.paragraph(Mark::Unsure, &format!("asked to go back: {}", turn.why));
    }
    if turn.halted.is_some() {
        return style.paragraph(Mark::Unsure, &turn.why);
    }
    if turn.gates.is_empty() {
        let step = turn.step.as_ref().and_then(|id| report.steps.iter().find(|step| step.id == *id && !step.back));
        return match (step.filter(|step| step.fault().is_some()), &turn.fault) {
            (Some(step), _) => failure(step, style),
            (None, _) => style.paragraph(Mark::No, &turn.why),
        };
    }
    turn.gates.iter().map(|gate| not_yes(report, gate, style)).collect()
}

fn not_yes(report: &Report, gate: &GateReport, style: Style) -> String {
    let node = report.steps.iter().find(|step| step.id == gate.step).map_or(gate.step.as_str(), |step| &step.node);
    let (mark, verdict) = match gate.answer.verdict {
        Verdict::Yes => (Mark::Yes, "yes"),
        Verdict::No => (Mark::No, "no"),
        Verdict::Inconclusive => (Mark::Unsure, "no answer in time"),
    };
    let says = &gate.answer.says;
    let mut out = style.paragraph(mark, &format!("{node} gate {}: {verdict}. {says}", gate.answer.name));
    let evidence = evidence(&gate.answer.evidence);
    if !evidence.is_empty() {
        out.push_str(&style.paragraph(Mark::Plain, &evidence));
    }
    out
}

fn failure(step: &StepReport, style: Style) -> String {
    let message = step.fault().map_or("its outcome is not known", |fault| fault.message.as_str());
    style.paragraph(Mark::No, &format!("{} {}: {message}", step.node, step.name()))
}

/// Evidence on a line or two: `lease_renewed: false · since: 30s`.
fn evidence(value: &Value) -> String {
    const MOST: usize = 320;
    let short = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let line = match value {
        Value::Null => String::new(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| format!("{name}: {}", short(value))).collect::<Vec<_>>().join(" · ")
        }
        other => short(other),
    };
    if line.chars().count() <= MOST {
        return line;
    }
    format!("{} … (all of it is in the report)", line.chars().take(MOST).collect::<String>())
}

fn going_back(report: &Report, turn: &TurnReport, style: Style) -> String {
    let back: Vec<&StepReport> = report.steps.iter().filter(|step| step.back).collect();
    if back.iter().all(|step| matches!(step.kind, Some(StepKind::Release))) {
        // K3s was never touched: there is nothing to go back from, only files of ours to take away.
        let failed = back.iter().find(|step| step.state == StepOutcome::Failed);
        return failed.map_or_else(String::new, |step| failure(step, style));
    }
    let reached = |step: &&&StepReport| step.state != StepOutcome::NotReached;
    let acts = |step: &&&StepReport| !matches!(step.kind, Some(StepKind::Gate | StepKind::Release));
    let steps: Vec<&str> = back.iter().filter(acts).filter(reached).map(|step| step.name()).collect();
    let asked =
        back.iter().rfind(|step| step.kind == Some(StepKind::Gate)).filter(|step| step.state == StepOutcome::Done);
    let mut line = format!(
        "going back to {}: {}",
        report.from,
        if steps.is_empty() { "begun".to_owned() } else { steps.join(", ") }
    );
    match (asked, turn.back_after) {
        (Some(_), Some(after)) => {
            line.push_str(&format!(" … gates all yes after {}.", duration(after).replace(' ', "\u{a0}")))
        }
        (Some(_), None) => line.push_str(" … gates all yes."),
        (None, _) => line.push_str(" …"),
    }
    if report.went_back_by == Some(WayClass::Binary) {
        line.push_str(" Class binary: the data stay as they are, nothing is lost.");
    }
    if report.fall.is_some() {
        line.push_str(" Class binary did not hold, so the stopped copy was put back (class keep).");
    }
    if let Some(lost) = &report.lost {
        let n = lost.objects.len() + usize::try_from(lost.unlisted).unwrap_or(usize::MAX);
        match (lost.complete, n) {
            (true, 0) => line.push_str(" Nothing was written after the swap but heartbeats."),
            (true, _) => line.push_str(&format!(
                " {} written after the swap {} set aside (listed in the report).",
                count(n, "object", "objects"),
                if n == 1 { "is" } else { "are" }
            )),
            (false, _) => line.push_str(&format!(
                " What was written after the swap is set aside in {}; it could not be read to its end, so the list in the report ({n}) is incomplete.",
                lost.abandoned
            )),
        }
    }
    let mut out = style.paragraph(Mark::Back, &line);
    out.push_str(&named(report, style));
    for step in back.iter().filter(|step| step.state == StepOutcome::Failed) {
        let gates: Vec<&GateReport> =
            report.gates.iter().filter(|gate| gate.step == step.id && gate.answer.verdict != Verdict::Yes).collect();
        if gates.is_empty() {
            out.push_str(&failure(step, style));
        }
        // A gate is asked again with every attempt: the last answers are enough for a screen.
        for gate in gates.iter().rev().take(2).rev() {
            out.push_str(&not_yes(report, gate, style));
        }
    }
    out
}

/// The first of the objects that are no longer there.
fn named(report: &Report, style: Style) -> String {
    const MOST: usize = 8;
    let (mut named, more) = report.lost.as_ref().map(|lost| lost.first(MOST)).unwrap_or_default();
    if named.is_empty() {
        return String::new();
    }
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    style.paragraph(Mark::Plain, &named.join(" · "))
}

fn finally(report: &Report, style: Style, place: Option<&str>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut mark = Mark::Plain;
    match report.state() {
        Some(EndState::Committed) if report.goal == Goal::Backup => {
            mark = Mark::Yes;
            parts.push(report.verdict.clone());
            parts.extend(report.receipt.as_ref().map(|receipt| {
                let field = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".to_owned());
                let number = |value: Option<u64>| value.map_or_else(|| "not known".to_owned(), |n| n.to_string());
                format!(
                    "Receipt: integrity {}, {} keys at revision {}, datastore {}, root {}.",
                    field(&receipt.integrity),
                    number(receipt.keys),
                    number(receipt.revision),
                    field(&receipt.digest),
                    field(&receipt.root)
                )
            }));
        }
        Some(EndState::Committed) => {
            mark = Mark::Yes;
            parts.push(report.verdict.clone());
            if let Some(lost) = report.lost.as_ref().filter(|lost| lost.given_up) {
                let n = lost.objects.len() + usize::try_from(lost.unlisted).unwrap_or(usize::MAX);
                let objects = count(n, "object", "objects");
                parts.push(format!(
                    "{objects} written since are given up (listed in the report), and kept in {}.",
                    lost.abandoned
                ));
            }
            parts.push(format!("Took {}.", report.took.map(duration).unwrap_or_default()));
            parts.push(format!(
                "API gap {} (expected about {}).",
                report.api.sentence(),
                planned(report.expect.api_gap)
            ));
            parts.extend(report.api.on_node.as_ref().map(PortReport::sentence));
        }
        Some(EndState::Restored) => {
            parts.push(format!("The cluster is {}.", verdict::as_it_was(report)));
            parts.push(format!("API gap {}.", report.api.sentence()));
            parts.extend(report.api.on_node.as_ref().map(PortReport::sentence));
        }
        Some(EndState::Unchanged) => {
            parts.push(format!(
                "Nothing was changed: K3s was not touched, {} still runs {}.",
                report.subject(),
                report.from
            ));
        }
        Some(EndState::NeedsHuman) => {
            mark = Mark::No;
            parts.push(report.verdict.clone());
            // Usually the fault that is shown above; the budget of resumes is one that is not.
            let shown = |why: &str| {
                report.steps.iter().filter_map(StepReport::fault).any(|fault| why.ends_with(&fault.message))
            };
            if let Some(end) = report.end.as_ref().filter(|end| !shown(&end.why)) {
                parts.push(format!("The last word: {}.", end.why.trim_end_matches('.')));
            }
            parts.push(format!("API gap {}.", report.api.sentence()));
            parts.extend(report.api.on_node.as_ref().map(PortReport::sentence));
        }
        None => {
            mark = Mark::Unsure;
            parts.push(report.verdict.clone());
        }
    }
    parts.extend(place.map(|place| format!("Report: {place}")));
    let mut out = style.paragraph(mark, &parts.join(" "));
    if report.lost.as_ref().is_some_and(|lost| lost.given_up) {
        out.push_str(&named(report, style));
    }
    if let Some(unsound) = &report.journal.unsound {
        out.push_str(&style.paragraph(Mark::No, &format!("the journal is not sound: {unsound}")));
    }
    let mut first = true;
    for step in &report.next {
        let lead = if first { "Next: " } else { "      " };
        for (index, line) in style.wrap(step, style.width.saturating_sub(8)).iter().enumerate() {
            out.push_str(&format!("  {}{line}\n", if index == 0 { lead } else { "      " }));
        }
        first = false;
    }
    out
}
