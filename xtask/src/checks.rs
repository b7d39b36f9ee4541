use std::fmt::Write as _;
use std::path::Path;

use belay_checks::{Knowledge, RuleRow, table};

mod cases;
pub mod construction;
pub mod page;

/// The table of rules in Markdown, and how many of the known failures they name.
///
/// # Errors
/// When the knowledge is broken, or a rule lacks its red or its green fixture: a rule that nobody has seen fire, or
/// seen silent, is not knowledge. When a test is gone that holds what prevents a failure without a rule.
pub fn run() -> Result<String, String> {
    let rows = rows()?;
    Ok(format!("{}\n{}\n{} rules; {}", markdown(&rows)?, construction::markdown()?, rows.len(), cases::covered(&rows)))
}

/// Every rule, worst first.
pub fn rows() -> Result<Vec<RuleRow>, String> {
    Ok(table(&Knowledge::embedded().map_err(|error| error.to_string())?))
}

/// The table alone.
///
/// # Errors
/// As [`run`].
pub fn markdown(rows: &[RuleRow]) -> Result<String, String> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/checks");
    let lacking = lacking(rows, |fixture| crate_dir.join(fixture).is_file());
    if lacking.is_empty() { Ok(lines(rows)) } else { Err(lacking.join("\n")) }
}

/// One line per fixture that is not there.
fn lacking(rows: &[RuleRow], there: impl Fn(&str) -> bool) -> Vec<String> {
    rows.iter()
        .flat_map(|row| [(row, "red", &row.red), (row, "green", &row.green)])
        .filter(|(_, _, fixture)| !there(fixture))
        .map(|(row, colour, fixture)| format!("{} has no {colour} fixture: core/checks/{fixture} is missing", row.id))
        .collect()
}

fn lines(rows: &[RuleRow]) -> String {
    let mut text =
        String::from("| rule | severity | what it says | sources | as of | fixtures |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let severity = if row.acceptable { row.severity.to_string() } else { format!("{}, always", row.severity) };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "| [`{}`](checks/{}) | {severity} | {} | {} | {} | [red](../core/checks/{}) [green](../core/checks/{}) |",
            row.id,
            page::name(row),
            cell(&row.title),
            cell(&row.sources.join(" · ")),
            row.as_of,
            row.red,
            row.green,
        );
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_fixture_is_named() {
        let rows = table(&Knowledge::embedded().unwrap());
        assert_eq!(lacking(&rows, |_| true), [""; 0]);
        let gone = lacking(&rows, |fixture| fixture != "fixtures/disk-space-green.json");
        let line = "belay-disk-space has no green fixture: core/checks/fixtures/disk-space-green.json is missing";
        assert_eq!(gone, [line]);
    }

    #[test]
    fn every_rule_has_a_line() {
        let rows = table(&Knowledge::embedded().unwrap());
        let text = lines(&rows);
        assert_eq!(text.lines().count(), rows.len() + 2);
        assert!(text.contains(
            "| [`belay-cgroup-v1-kubelet`](checks/cgroup-v1-kubelet.md) | block | The kubelet of 1.35 and later"
        ));
    }
}
