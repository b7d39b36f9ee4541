use jiff::civil::Date;
use serde::Serialize;

use crate::{Knowledge, Scope, Severity};

/// One rule in the table of the docs. Paths are relative to `core/checks`; what only a check of a node can fill in is said in words,
/// such as `<node>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub scope: Scope,
    pub needs_target: bool,
    pub needs_objects: bool,
    pub needs_manifests: bool,
    pub needs_deep: bool,
    pub acceptable: bool,
    pub when: String,
    pub means: String,
    pub fix: String,
    /// What to do instead when a fact is missing, where that is something else.
    pub unknown: Option<String>,
    pub cases: Vec<String>,
    pub sources: Vec<String>,
    pub as_of: Date,
    pub red: String,
    pub green: String,
}

/// All rules, worst severity first, then by id.
#[must_use]
pub fn table(knowledge: &Knowledge) -> Vec<RuleRow> {
    let mut rows: Vec<RuleRow> = knowledge
        .rules
        .iter()
        .map(|rule| RuleRow {
            id: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity,
            scope: rule.scope,
            needs_target: rule.needs_target,
            needs_objects: rule.needs_objects,
            needs_manifests: rule.needs_manifests,
            needs_deep: rule.needs_deep,
            acceptable: rule.acceptable,
            when: rule.when().to_owned(),
            means: rule.means(),
            fix: rule.fix(),
            unknown: rule.unknown(),
            cases: rule.cases.clone(),
            sources: rule.sources.clone(),
            as_of: rule.as_of,
            red: rule.red.clone(),
            green: rule.green.clone(),
        })
        .collect();
    rows.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    rows
}
