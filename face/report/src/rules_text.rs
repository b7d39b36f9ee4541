use belay_checks::RuleRow;

use crate::Style;

/// Every rule on one line of its own, as it is given: how bad, its id, its title.
#[must_use]
pub fn rules_text(rules: &[RuleRow], style: Style) -> String {
    let longest = rules.iter().map(|rule| rule.id.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for rule in rules {
        let line = format!("{:5}  {:longest$}  {}", rule.severity.to_string(), rule.id, rule.title);
        out.push_str(&format!("{}\n", style.plain(&line)));
    }
    let all = format!("{} rules. All that one says: belay explain RULE", rules.len());
    out.push_str(&format!("{}\n", style.dim(&all)));
    out
}
