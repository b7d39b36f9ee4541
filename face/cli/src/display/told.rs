use std::collections::BTreeMap;

use belay_engine::{EndState, Event, Fault, GateAnswer, ProbeState, Record, Verdict};
use belay_facts::Span;
use belay_plan::{Plan, Reached, StepKind, WayClass};
use belay_report::{Mark, Style, clock, count, duration, planned, proof_summary, title};

/// The column of times starts after the longest name of a step.
pub(super) const COLUMN: usize = 14;

/// Turns records into lines; knows which step goes on and how many gates of it said yes.
pub(super) struct Told {
    style: Style,
    title: String,
    from: String,
    /// Of the plan's way back.
    class: WayClass,
    kinds: BTreeMap<String, (StepKind, Span)>,
    current: Option<String>,
    /// The gates of the current step by their last answer.
    gates: BTreeMap<&'static str, Verdict>,
}

/// The name of a step without its node.
pub(super) fn name(id: &str) -> &str {
    id.split_once('.').map_or(id, |(_, name)| name)
}

impl Told {
    pub fn new(plan: &Plan, style: Style) -> Self {
        let nodes: Vec<&str> = plan.waves.iter().flat_map(|wave| wave.nodes.iter().map(String::as_str)).collect();
        let back = Reached::ALL.into_iter().flat_map(|reached| plan.inverse(reached));
        Self {
            style,
            title: title(plan.goal, &plan.from, &plan.to, &nodes.join(", ")),
            from: plan.from.to_string(),
            class: plan.way_back.class,
            kinds: plan.steps().cloned().chain(back).map(|step| (step.id, (step.kind, step.deadline))).collect(),
            current: None,
            gates: BTreeMap::new(),
        }
    }

    /// The step that goes on.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// One line or more for every record, with its time: a log of the journal.
    pub fn plain(&mut self, record: &Record) -> Vec<String> {
        let (mark, text) = match &record.event {
            Event::Open { by, belay, .. } => {
                (Mark::Plain, format!("{}: run {} by {by}, Belay {belay}", self.title, record.run))
            }
            Event::Resumed { by, belay, .. } => (
                Mark::Plain,
                format!(
                    "{}: run {} goes on, by {by}, Belay {belay}, generation {}",
                    self.title, record.run, record.generation
                ),
            ),
            Event::Intent { step, attempt } => {
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let most = self
                    .kinds
                    .get(step)
                    .map_or_else(String::new, |(_, most)| format!(" (at most {}{again})", planned(*most)));
                (Mark::Plain, format!("{step} …{most}"))
            }
            Event::Outcome { step, ok: true, took, .. } => {
                (Mark::Yes, joined(&format!("{step} {}", duration(*took)), &self.shown(record, step)))
            }
            Event::Outcome { step, fault, took, .. } => {
                (Mark::No, joined(&format!("{step} {}", duration(*took)), &failed(fault.as_ref())))
            }
            Event::Probed { step, state, says, .. } => {
                (probed(*state).0, joined(&format!("{step} {}", probed(*state).1), says))
            }
            Event::Gate { step, answer } => (verdict(answer.verdict).0, format!("{step} {}", gate(answer))),
            Event::Turn { reached, cause } => (Mark::Back, self.going_back(*reached, &cause.why)),
            Event::Measured { outages, shots, .. } => {
                let gaps: Vec<String> = outages.iter().map(|outage| duration(outage.gap)).collect();
                let gaps = if gaps.is_empty() { "none".to_owned() } else { gaps.join(" + ") };
                (
                    Mark::Plain,
                    format!(
                        "API gap {gaps}, in {}",
                        count(usize::try_from(*shots).unwrap_or(usize::MAX), "shot", "shots")
                    ),
                )
            }
            Event::Note { says } => (Mark::Known, says.clone()),
            Event::Superseded { says } => (Mark::No, format!("superseded: {says}")),
            Event::End { state, why } => (end(*state), format!("{state}: {why}")),
        };
        self.follow(record);
        vec![format!("{} {} {}", self.style.dim(&clock(record.at)), self.style.mark(mark), self.style.plain(&text))]
    }

    /// The lines that stay above the current step: what is over, and every answer that is not yes.
    pub fn live(&mut self, record: &Record) -> Vec<String> {
        let style = self.style;
        let lines = match &record.event {
            Event::Open { .. } => vec![self.title(&format!(" · run {}", record.run)), String::new()],
            Event::Resumed { by, .. } => {
                vec![self.title(&format!(" · run {} goes on, by {by}", record.run)), String::new()]
            }
            Event::Outcome { step, ok: true, took, .. } => {
                vec![self.over(Mark::Yes, step, Some(*took), &self.shown(record, step))]
            }
            Event::Outcome { step, took, fault, .. } => {
                let mut lines = vec![self.over(Mark::No, step, Some(*took), "")];
                // A gate has told its reason already, in its own words.
                if !self.gates.values().any(|verdict| *verdict != Verdict::Yes) {
                    lines.extend(paragraph(style, Mark::Plain, &failed(fault.as_ref())));
                }
                lines
            }
            Event::Probed { step, state, says, .. } => {
                let (mark, word) = probed(*state);
                vec![self.over(mark, step, None, &joined(word, says))]
            }
            Event::Gate { answer, .. } if answer.verdict == Verdict::Yes => Vec::new(),
            Event::Gate { answer, .. } => paragraph(style, verdict(answer.verdict).0, &gate(answer)),
            Event::Turn { reached, cause } => {
                // Its cause is the step or gate that was shown just above, unless it was none of them.
                let why = if cause.step.is_none() { cause.why.as_str() } else { "" };
                paragraph(style, Mark::Back, &self.going_back(*reached, why))
            }
            Event::Note { says } => paragraph(style, Mark::Known, says),
            Event::Superseded { says } => paragraph(style, Mark::No, says),
            Event::Intent { .. } | Event::Measured { .. } => Vec::new(),
            // The summary follows on standard output; a blank line parts them.
            Event::End { .. } => vec![String::new()],
        };
        self.follow(record);
        lines
    }

    fn follow(&mut self, record: &Record) {
        match &record.event {
            Event::Intent { step, .. } => {
                self.current = Some(step.clone());
                self.gates.clear();
            }
            Event::Gate { answer, .. } => {
                self.gates.insert(answer.name.name(), answer.verdict);
            }
            Event::Outcome { .. } | Event::Turn { .. } | Event::Superseded { .. } | Event::End { .. } => {
                self.current = None;
                self.gates.clear();
            }
            _ => {}
        }
    }

    fn title(&self, rest: &str) -> String {
        format!("{}{}", self.style.bold(&self.title), self.style.dim(rest))
    }

    fn going_back(&self, reached: Reached, why: &str) -> String {
        let how = match (reached, self.class) {
            (Reached::Started, WayClass::Binary) => " by class binary (the data stay)",
            (Reached::SwappedBack, _) => " by class keep (the stopped copy), since class binary did not hold",
            _ => "",
        };
        joined(&format!("going back to {}{how}", self.from), why)
    }

    /// A step that is over, on one line of the terminal.
    fn over(&self, mark: Mark, step: &str, took: Option<Span>, says: &str) -> String {
        let name = format!("{:COLUMN$}", name(step));
        let took = format!("{:>9}", took.map(duration).unwrap_or_default());
        let room = self.style.width.saturating_sub(COLUMN + 15);
        let says = self.style.cut(says, room);
        let line = format!("{} {} {took}  {}", self.style.mark(mark), self.style.plain(&name), self.style.dim(&says));
        line.trim_end().to_owned()
    }

    /// What a step that was done has to show: its proof, or how many gates said yes.
    fn shown(&self, record: &Record, step: &str) -> String {
        let Event::Outcome { proof, .. } = &record.event else { return String::new() };
        let said = self.kinds.get(step).map_or_else(String::new, |(kind, _)| proof_summary(*kind, proof));
        let yes = self.gates.values().filter(|verdict| **verdict == Verdict::Yes).count();
        if said.is_empty() && yes > 0 { count(yes, "gate yes", "gates yes") } else { said }
    }
}

fn paragraph(style: Style, mark: Mark, text: &str) -> Vec<String> {
    style.paragraph(mark, text).lines().map(str::to_owned).collect()
}

fn joined(head: &str, rest: &str) -> String {
    if rest.is_empty() { head.to_owned() } else { format!("{head}: {rest}") }
}

fn failed(fault: Option<&Fault>) -> String {
    match fault {
        Some(Fault { message, hint: Some(hint), .. }) => format!("{} ({hint})", message.trim_end_matches('.')),
        Some(Fault { message, .. }) => message.clone(),
        None => String::new(),
    }
}

fn gate(answer: &GateAnswer) -> String {
    format!("gate {}: {} after {}. {}", answer.name, verdict(answer.verdict).1, duration(answer.after), answer.says)
}

const fn verdict(verdict: Verdict) -> (Mark, &'static str) {
    match verdict {
        Verdict::Yes => (Mark::Yes, "yes"),
        Verdict::No => (Mark::No, "no"),
        Verdict::Inconclusive => (Mark::Unsure, "no answer"),
    }
}

const fn probed(state: ProbeState) -> (Mark, &'static str) {
    match state {
        ProbeState::Done => (Mark::Yes, "was done"),
        ProbeState::NotDone => (Mark::Unsure, "was not done"),
        ProbeState::Partial => (Mark::Unsure, "was half done"),
    }
}

const fn end(state: EndState) -> Mark {
    match state {
        EndState::Committed => Mark::Yes,
        EndState::Restored | EndState::Unchanged => Mark::Back,
        EndState::NeedsHuman => Mark::No,
    }
}
