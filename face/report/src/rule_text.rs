use belay_checks::RuleRow;

use crate::Style;

/// All that a rule says, for people. Its places to fill have words, such as `<node>`: only a check knows which.
#[must_use]
pub fn rule_text(rule: &RuleRow, style: Style) -> String {
    let mut out = format!("{}\n{}\n\n", style.bold(&rule.id), style.plain(&rule.title));
    let mut line = |label: &str, text: &str| {
        for (index, row) in style.wrap(text, style.width.saturating_sub(10)).iter().enumerate() {
            let label = format!("{:10}", if index == 0 { label } else { "" });
            out.push_str(&format!("{}{row}\n", style.dim(&label)));
        }
    };
    let scope = format!("{:?}", rule.scope).to_lowercase();
    let asked = if rule.needs_target { ", when there is a target" } else { "" };
    let objects = if rule.needs_objects { ", when objects are read (belay check --objects)" } else { "" };
    let folders = if rule.needs_manifests { ", when a folder is named (belay check --manifests DIR)" } else { "" };
    let deep = if rule.needs_deep { ", for every plan, and by belay check --deep" } else { "" };
    let taken = if rule.acceptable { "can be accepted by name" } else { "cannot be accepted" };
    line("severity", &format!("{}; {taken}", rule.severity));
    line("asked", &format!("once per {scope}{asked}{objects}{folders}{deep}"));
    line("means", &rule.means);
    line("fix", &rule.fix);
    if let Some(unknown) = &rule.unknown {
        line("unknown", unknown);
    }
    line("when", rule.when.trim());
    if !rule.cases.is_empty() {
        line("cases", &rule.cases.join(", "));
    }
    for (index, source) in rule.sources.iter().enumerate() {
        line(if index == 0 { "sources" } else { "" }, source);
    }
    line("as of", &rule.as_of.to_string());
    if rule.acceptable {
        let accept = format!("--accept '{}=REASON@DATE'", rule.id);
        line("accept", &accept);
    }
    out
}
