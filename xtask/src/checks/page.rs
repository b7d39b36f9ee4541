use belay_checks::{RuleRow, Scope};

/// The name of a rule's page in `docs/checks`.
pub fn name(row: &RuleRow) -> String {
    format!("{}.md", row.id.trim_start_matches("belay-"))
}

/// The page of one rule.
pub fn markdown(row: &RuleRow) -> String {
    let asked = match row.scope {
        Scope::Node => "of each node",
        Scope::Cluster => "of the cluster",
        Scope::Edge => "of the step from one version to another",
    };
    let target = if row.needs_target { ", when a target is named" } else { "" };
    let objects = if row.needs_objects { ", when objects are read (`belay check --objects`)" } else { "" };
    let folders = if row.needs_manifests { ", when a folder is named (`belay check --manifests DIR`)" } else { "" };
    let taken = if row.acceptable { "can be accepted by name, with a reason and an end" } else { "cannot be accepted" };
    let sources: String = row.sources.iter().map(|source| format!("- {source}\n")).collect();
    format!(
        "# {}\n\n`{}` · {} · asked {asked}{target}{objects}{folders} · {taken}\n\n{}\n\n## What to do\n\n{}\n\n## When it speaks\n\n```cel\n{}\n```\n\n\
         Facts on which it speaks: [red](../../core/checks/{}); on which it does not: [green](../../core/checks/{}).\n\n\
         ## Sources\n\nAs of {}.\n\n{sources}",
        row.title,
        row.id,
        row.severity,
        text(&row.means),
        text(&row.fix),
        row.when.trim(),
        row.red,
        row.green,
        row.as_of,
    )
}

/// A text in Markdown: what stands in angle brackets would be taken for HTML, and not be seen.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        in_code ^= c == '`';
        if c == '<' && !in_code {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_seen_on_a_page() {
        assert_eq!(
            text("Restart <node>: `systemctl restart <unit>` < 5"),
            "Restart \\<node>: `systemctl restart <unit>` \\< 5"
        );
    }
}
