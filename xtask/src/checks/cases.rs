use std::collections::BTreeSet;

use belay_checks::RuleRow;

use super::construction::PREVENTED;

/// The failures that could have been seen before the first node was touched: by reading files, or by harmless probes. Numbers
/// of the collection that the rules were made from, which is no part of the repository (CONTRIBUTING.md).
const DECIDABLE: [u16; 93] = [
    2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 29, 30, 34, 35, 36, 39, 40,
    42, 43, 44, 45, 46, 49, 52, 60, 61, 63, 64, 65, 66, 67, 72, 73, 75, 76, 78, 81, 86, 88, 89, 95, 96, 100, 101, 102,
    103, 105, 107, 108, 116, 117, 119, 120, 123, 124, 125, 127, 128, 129, 133, 134, 138, 139, 141, 142, 143, 144, 145,
    146, 147, 148, 149, 150, 151, 153, 155, 163, 164, 168, 170,
];

/// One sentence: how many of them a rule names, how many are prevented or refused without one, and which are neither.
pub fn covered(rows: &[RuleRow]) -> String {
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| row.cases.iter().map(String::as_str)).collect();
    let prevented: BTreeSet<&str> = PREVENTED.iter().map(|one| one.case).filter(|case| !named.contains(case)).collect();
    let all: Vec<String> = DECIDABLE.iter().map(|number| format!("F{number:03}")).collect();
    let by = |cases: &BTreeSet<&str>| all.iter().filter(|case| cases.contains(case.as_str())).count();
    let (by_rules, by_construction) = (by(&named), by(&prevented));
    let neither: Vec<&str> =
        all.iter().map(String::as_str).filter(|case| !named.contains(case) && !prevented.contains(case)).collect();
    let others = named.len() - by_rules;
    format!(
        "of {} failures that files and probes decide {by_rules} are named by a rule ({others} others are as well), \
         {by_construction} are prevented or refused by construction, and {} are neither{}{}",
        DECIDABLE.len(),
        neither.len(),
        if neither.is_empty() { "" } else { ": " },
        neither.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use belay_checks::{Knowledge, table};

    use super::*;

    #[test]
    fn what_is_named_and_what_is_not_add_up() {
        assert!(DECIDABLE.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        let nothing = covered(&[]);
        assert!(
            nothing.starts_with("of 93 failures that files and probes decide 0 are named by a rule (0 others"),
            "{nothing}"
        );
        assert!(nothing.contains(&format!("{} are neither: F002 F004 F005 F007", 93 - PREVENTED.len())), "{nothing}");
    }

    #[test]
    fn what_a_rule_names_is_not_counted_a_second_time() {
        let rows = table(&Knowledge::embedded().unwrap());
        let twice: Vec<&str> = PREVENTED
            .iter()
            .map(|one| one.case)
            .filter(|case| rows.iter().any(|row| row.cases.iter().any(|c| c == case)))
            .collect();
        assert_eq!(twice, [""; 0], "a rule looks for it: take it out of the table");
        assert!(PREVENTED.iter().all(|one| DECIDABLE.iter().any(|number| format!("F{number:03}") == one.case)));
    }
}
