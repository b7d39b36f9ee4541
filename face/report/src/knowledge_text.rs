use belay_checks::{Counts, Signer};

use crate::{KnowledgeReport, Mark, Style};

/// What is known on a machine, for people.
#[must_use]
pub fn knowledge_text(report: &KnowledgeReport, style: Style) -> String {
    let build = format!(
        "this build  of {} ({}): {}",
        report.build_as_of,
        ago(report.build_days),
        counted(&report.build, "nothing")
    );
    let mut out = style.paragraph(Mark::Known, &build);
    for bundle in &report.bundles {
        let may = match bundle.signer {
            Signer::Project => "may replace and withdraw",
            Signer::Other(_) => "may only add",
        };
        let text = format!(
            "bundle  serial {} of {} ({}): {}; signed by {}, which {may}; from {}, installed on {}",
            bundle.serial,
            bundle.date,
            ago(bundle.days),
            counted(&bundle.counts, "nothing"),
            bundle.signer,
            bundle.from,
            bundle.installed_on,
        );
        out.push_str(&style.paragraph(Mark::Yes, &text));
    }
    if report.bundles.is_empty() {
        out.push_str(&style.paragraph(Mark::Plain, "no bundle is in use"));
    }
    for note in &report.notes {
        out.push_str(&style.paragraph(Mark::Unsure, note));
    }
    out
}

fn ago(days: i32) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

fn counted(counts: &Counts, none: &str) -> String {
    let kinds = [
        (counts.rules, "rules"),
        (counts.advisories, "advisories"),
        (counts.hazards, "hazards of releases"),
        (counts.removed, "removed flags, gates and APIs"),
        (counts.tables, "tables"),
        (counts.withdrawn, "withdrawn"),
    ];
    let some: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{kind}: {count}")).collect();
    if some.is_empty() { none.to_owned() } else { some.join(", ") }
}
