use belay_checks::{ConfigEdit, ConfigFix, Fate};
use belay_facts::K3sVersion;

use crate::{Mark, Style};

/// A proposal for one node: what a drop-in says, what a human edits, what nobody can propose. `whole`: all of its configuration was
/// read.
#[must_use]
pub fn config_fix_text(fix: &ConfigFix, to: &K3sVersion, whole: bool, style: Style) -> String {
    if fix.is_empty() && !whole {
        let text = format!("{}: nothing to propose for what could be read of its configuration.", fix.node);
        return style.paragraph(Mark::Unsure, &text);
    }
    if fix.is_empty() {
        let text = format!("{}: nothing to propose. {to} obeys what is set, or nobody knows.", fix.node);
        return style.paragraph(Mark::Yes, &text);
    }
    let mut out = String::new();
    if let Some(drop_in) = &fix.drop_in {
        let text = format!("{}: a drop-in, {}", fix.node, drop_in.path);
        out.push_str(&style.paragraph(Mark::Known, &text));
        for line in drop_in.text.lines() {
            out.push_str(&format!("    {}\n", style.plain(line)));
        }
    }
    for edit in &fix.edits {
        let mut text = format!("{}: {}", fix.node, edit_text(edit));
        for reason in &edit.reasons {
            text.push_str(&format!("; {}: {}", reason.what, reason.why));
        }
        out.push_str(&style.paragraph(Mark::Unsure, &text));
    }
    for need in &fix.needs_you {
        let place = place(&need.source, need.line);
        let reason = &need.reason;
        let mut text = format!("{}: needs you  {}: {} ({place}) {}", fix.node, reason.what, need.value, reason.why);
        if let Some(rule) = &reason.rule {
            text.push_str(&format!(" (belay explain {rule})"));
        }
        let mark = if need.fate == Fate::Fatal { Mark::No } else { Mark::Unsure };
        out.push_str(&style.paragraph(mark, &text));
    }
    out
}

/// What is done about one entry, in words.
fn edit_text(edit: &ConfigEdit) -> String {
    let (key, place) = (&edit.key, place(&edit.source, edit.line));
    let flags = |values: &[String]| {
        let flag = |value: &String| format!("`--{key}={value}`");
        values.iter().map(flag).collect::<Vec<_>>().join(" ")
    };
    match (edit.source.as_str(), edit.keep.as_slice()) {
        ("unit", []) => format!("take {} out of ExecStart", flags(&edit.remove)),
        ("unit", keep) => format!("take {} out of ExecStart, so that {} stays", flags(&edit.remove), flags(keep)),
        ("environment", _) => format!("take the variable of `{key}` out of the unit's environment"),
        (_, []) => format!("remove `{key}` from {place}"),
        (_, keep) => format!("remove {} from `{key}` ({place}), so that {} stays", listed(&edit.remove), listed(keep)),
    }
}

fn listed(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}

fn place(source: &str, line: u32) -> String {
    if line > 0 { format!("{source}:{line}") } else { source.to_owned() }
}
