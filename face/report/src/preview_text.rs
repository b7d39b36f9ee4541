use std::fmt::Write as _;

use belay_facts::Span;
use belay_plan::{Basis, Expected, Fate, Hold, Preview, Range, StepKind, ToldBy, WorkloadPreview};

use crate::{Style, duration, quantity::planned};

/// How many of one sort are named; the JSON names all.
const NAMED: usize = 6;

/// What happens to workloads, on less than a screen.
#[must_use]
pub fn preview_text(preview: &Preview, style: Style) -> String {
    let mut sheet = Sheet { out: String::new(), style };
    let node = &preview.node;
    sheet.title(&format!("What happens to workloads on {node}"));
    fates(&mut sheet, preview);
    sheet.row("moves", "nothing: K3s is exchanged in place, and no node is drained");
    sheet.row("API away", &gap(&preview.expected, node));
    sheet.row("in all", &whole(&preview.expected));
    for (index, sentence) in preview.meanwhile.iter().enumerate() {
        sheet.row(if index == 0 { "meanwhile" } else { "" }, sentence);
    }
    if preview.workloads.iter().any(|one| one.holds.iter().any(|hold| *hold != Hold::Node)) {
        sheet.title(&format!("If {node} had to be emptied, or did not come back"));
        holds(&mut sheet, preview);
    }
    if !preview.unknown.is_empty() {
        sheet.title("Not known");
        for unknown in &preview.unknown {
            sheet.row("", unknown);
        }
    }
    sheet.out
}

fn fates(sheet: &mut Sheet, preview: &Preview) {
    match preview.told_by {
        ToldBy::Api if preview.workloads.is_empty() => sheet.row("runs", "no pod"),
        ToldBy::Api => {}
        ToldBy::Datastore | ToldBy::Nobody => sheet.row("runs", "not known"),
    }
    for (fate, label) in [
        (Fate::Restarts, "restarts"),
        (Fate::MayRestart, "may restart"),
        (Fate::MayBeReplaced, "replaced?"),
        (Fate::RunsOn, "runs on"),
    ] {
        // The datastore's objects tell only what something holds: that is no list of what runs.
        if fate == Fate::RunsOn && preview.told_by != ToldBy::Api {
            continue;
        }
        let of_it: Vec<&WorkloadPreview> = preview.workloads.iter().filter(|one| one.fate == fate).collect();
        let mut reasons: Vec<Option<&str>> = of_it.iter().map(|one| one.why.as_deref()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for why in reasons {
            let of_reason = of_it.iter().filter(|one| one.why.as_deref() == why);
            let names = named(of_reason.map(|one| one.workload.clone()), ", ");
            let why = why.map_or_else(String::new, |why| format!(". {}", sentence(why)));
            sheet.row(label, &format!("{names}{why}"));
        }
    }
    let runs = preview.told_by == ToldBy::Api && !preview.workloads.is_empty();
    if runs && preview.workloads.iter().all(|one| one.fate == Fate::RunsOn) {
        sheet.row("", "No container of them is stopped.");
    }
}

fn gap(expected: &Expected, node: &str) -> String {
    match expected.basis {
        Basis::Measured => {
            let n = expected.runs.len();
            let last = expected.runs.first().map_or_else(String::new, |run| {
                let took = |kind| run.steps.iter().find(|step| step.kind == kind).map(|step| (kind, step.took));
                let inside =
                    [StepKind::Stop, StepKind::Keep, StepKind::Swap, StepKind::Start].into_iter().filter_map(took);
                let inside: Vec<String> = inside.map(|(kind, took)| format!("{kind} {}", short(took))).collect();
                format!("; the last, {} → {}: {}, in it {}", run.from, run.to, short(run.api_gap), inside.join(", "))
            });
            format!(
                "{}, as {n} upgrade{} of {node} measured{last}",
                range(expected.api_gap),
                if n == 1 { "" } else { "s" }
            )
        }
        Basis::Estimated => {
            let elsewhere = expected.elsewhere.iter().map(|text| format!(". Measured elsewhere: {text}"));
            let elsewhere: String = elsewhere.collect();
            format!(
                "about {}, estimated from the last start of {node} and the size of its datastore: no upgrade of it was \
                 measured yet{elsewhere}",
                planned(expected.api_gap.most).replace(' ', "\u{a0}")
            )
        }
    }
}

fn whole(expected: &Expected) -> String {
    let soak = expected.soak.map_or_else(
        || "and the soak".to_owned(),
        |soak| format!("and a soak of {}", planned(soak).replace(' ', "\u{a0}")),
    );
    match expected.basis {
        Basis::Measured => format!("{} {soak}", range(expected.duration)),
        Basis::Estimated => format!("about {} {soak}", planned(expected.duration.most).replace(' ', "\u{a0}")),
    }
}

fn range(range: Range) -> String {
    let (least, most) = (short(range.least), short(range.most));
    if least == most { least } else { format!("{least} to {most}") }
}

fn short(span: Span) -> String {
    duration(span).replace(' ', "\u{a0}")
}

/// One line for each reason, with whom it holds.
fn holds(sheet: &mut Sheet, preview: &Preview) {
    type Sort = (&'static str, &'static str, fn(&Hold) -> bool);
    const SORTS: [Sort; 7] = [
        ("is lost", "nothing makes it again", |hold| matches!(hold, Hold::NothingMakesItAgain)),
        ("is pinned", "its volume is on this node, and elsewhere it stays pending", |hold| {
            matches!(hold, Hold::Volume { .. })
        }),
        ("refused by", "the budget allows no disruption now, so a drain waits", |hold| {
            matches!(hold, Hold::Budget { .. })
        }),
        ("refused", "more than one budget selects it, which the API does not evict", |hold| {
            matches!(hold, Hold::SeveralBudgets { .. })
        }),
        ("finds other", "it mounts files of the node, and elsewhere finds others", |hold| {
            matches!(hold, Hold::HostPath { .. })
        }),
        ("loses data", "what is in its emptyDir goes with the pod", |hold| matches!(hold, Hold::EmptyDir { .. })),
        ("is away", "no other replica is ready on another node", |hold| matches!(hold, Hold::NoOtherReplica)),
    ];
    let all = &preview.workloads;
    for (label, why, is_it) in SORTS {
        let with_details = matches!(label, "is pinned" | "refused by" | "refused" | "finds other");
        let held: Vec<String> = (all.iter())
            .filter_map(|one| {
                let by: Vec<String> = one.holds.iter().filter(|hold| is_it(hold)).map(ToString::to_string).collect();
                let by = (!by.is_empty()).then_some(by)?;
                Some(if with_details { format!("{}: {}", one.workload, by.join(", ")) } else { one.workload.clone() })
            })
            .collect();
        if held.is_empty() {
            continue;
        }
        if label == "is away" && preview.only_node == Some(true) {
            let all =
                if held.len() == 1 { held.concat() } else { format!("all {} that would be made again", held.len()) };
            sheet.row(label, &format!("{all}: {} is the only node", preview.node));
            continue;
        }
        let between = if with_details { "; " } else { ", " };
        sheet.row(label, &format!("{}. {}", named(held.into_iter(), between), sentence(why)));
    }
}

/// The first of them, and how many more there are.
fn named(names: impl Iterator<Item = String>, between: &str) -> String {
    let names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).map(|name| name.replacen(' ', "\u{a0}", 1)).collect::<Vec<_>>().join(between);
    if more == 0 { first } else { format!("{first} and {more} more") }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

struct Sheet {
    out: String,
    style: Style,
}

impl Sheet {
    const LABEL: usize = 12;

    fn title(&mut self, title: &str) {
        let space = if self.out.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{space}{}", self.style.bold(title));
    }

    fn row(&mut self, label: &str, text: &str) {
        let width = self.style.width.saturating_sub(Self::LABEL + 2);
        for (index, line) in self.style.wrap(text, width).iter().enumerate() {
            let label = format!("{:1$}", if index == 0 { label } else { "" }, Self::LABEL);
            let _ = writeln!(self.out, "  {}{line}", self.style.dim(&label));
        }
    }
}
