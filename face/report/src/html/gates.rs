use belay_engine::Verdict;
use belay_facts::Span;
use belay_plan::Reached;
use maud::{Markup, html};

use super::{section, steps, value};
use crate::model::{GateReport, Report, TurnReport};
use crate::{clock, count, duration, moment};

/// Why it went back: the heart of a report that is not a success.
pub(super) fn turn(report: &Report) -> Markup {
    let first = report.turn.as_ref().map(decided);
    let content = first.map(|first| {
        html! {
            (first)
            @if let Some(fall) = &report.fall { h3 { "Why the stopped copy followed" } (decided(fall)) }
        }
    });
    section("turn", "Why it went back", "", content)
}

/// One decision to go back, or to go back by another way.
fn decided(turn: &TurnReport) -> Markup {
    html! {
            // The same sentence is not told twice.
            @if !turn.gates.iter().any(|gate| turn.why.ends_with(&gate.answer.says)) { p.why { (turn.why) } }
            @for gate in &turn.gates {
                div.decisive {
                    p { span.sign { (sign(gate).1) } " " b { (gate.answer.name) } ": " (gate.answer.says) }
                    (value::value(&gate.answer.evidence))
                }
            }
            @if let Some(fault) = &turn.fault {
                @if !turn.why.ends_with(&fault.message) {
                    p.fault { b { (steps::fault_name(fault.kind)) ": " } (fault.message) }
                }
                @if let Some(hint) = &fault.hint { p.hint { "Hint: " (steps::ticked(hint)) } }
            }
            p.quiet {
                "Decided at " (moment(turn.at))
                @if let Some(step) = &turn.step { ", at " code { (step) } }
                @if turn.asked || turn.halted.is_some() { ", by a person" } @else { ", by Belay itself" }
                ". " (reached(turn.reached))
                @if let Some(after) = turn.back_after { " The gates of the way back had answered after " (duration(after)) "." }
            }
    }
}

const fn reached(reached: Reached) -> &'static str {
    match reached {
        Reached::Prepared => "K3s had not been touched.",
        Reached::Stopped => "K3s had been stopped; the new version had not run.",
        Reached::Started => "The new version had been started.",
        Reached::SwappedBack => "The old version had been swapped back over the data of the new one.",
    }
}

pub(super) fn gates(report: &Report) -> Markup {
    let mut order: Vec<&str> = Vec::new();
    for gate in &report.gates {
        if !order.contains(&gate.step.as_str()) {
            order.push(&gate.step);
        }
    }
    let content = (!order.is_empty()).then(|| {
        html! {
            @for step in order {
                @let answers: Vec<&GateReport> = report.gates.iter().filter(|gate| gate.step == step).collect();
                h3 { (step) " " span.quiet { (tally(&answers)) } }
                div.steps.gates { @for gate in answers { (answer(gate)) } }
            }
        }
    });
    let lead = "A gate is a question that must be answered yes before the next step. Open one to see what its answer rests on.";
    section("gates", "Gates", lead, content)
}

fn tally(answers: &[&GateReport]) -> String {
    let of = |verdict| answers.iter().filter(|gate| gate.answer.verdict == verdict).count();
    let mut parts = vec![format!("{} yes", of(Verdict::Yes))];
    if of(Verdict::No) > 0 {
        parts.push(format!("{} no", of(Verdict::No)));
    }
    if of(Verdict::Inconclusive) > 0 {
        parts.push(count(of(Verdict::Inconclusive), "without answer", "without answer"));
    }
    parts.join(", ")
}

const fn sign(gate: &GateReport) -> (&'static str, &'static str) {
    match gate.answer.verdict {
        Verdict::Yes => ("good", "✓"),
        Verdict::No => ("bad", "✗"),
        Verdict::Inconclusive => ("back", "?"),
    }
}

fn answer(gate: &GateReport) -> Markup {
    let (class, sign) = sign(gate);
    let took = if gate.answer.after == Span::ZERO { "at once".to_owned() } else { duration(gate.answer.after) };
    let line = html! {
        span.sign { (sign) }
        span.name { (gate.answer.name) }
        span.says { (gate.answer.says) }
        span.at { (clock(gate.at)) }
        span.took { (took) }
    };
    html! {
        @if gate.answer.evidence.is_null() {
            div.row.(class) { (line) }
        } @else {
            details.row.(class) open[gate.answer.verdict != Verdict::Yes] {
                summary { (line) }
                div.inside { (value::value(&gate.answer.evidence)) }
            }
        }
    }
}
