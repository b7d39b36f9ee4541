use std::collections::BTreeSet;

use belay_checks::RuleRow;

/// The failures that could have been seen before the first node was touched: by reading files, or by harmless probes. Numbers
/// of the collection that the rules were made from, which is no part of the repository (CONTRIBUTING.md).
const DECIDABLE: [u16; 93] = [
    2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 29, 30, 34, 35, 36, 39, 40,
    42, 43, 44, 45, 46, 49, 52, 60, 61, 63, 64, 65, 66, 67, 72, 73, 75, 76, 78, 81, 86, 88, 89, 95, 96, 100, 101, 102,
    103, 105, 107, 108, 116, 117, 119, 120, 123, 124, 125, 127, 128, 129, 133, 134, 138, 139, 141, 142, 143, 144, 145,
    146, 147, 148, 149, 150, 151, 153, 155, 163, 164, 168, 170,
];

/// One sentence: how many of them a rule names, and which none does.
pub fn covered(rows: &[RuleRow]) -> String {
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| row.cases.iter().map(String::as_str)).collect();
    let all = DECIDABLE.iter().map(|number| format!("F{number:03}"));
    let (there, missing): (Vec<String>, Vec<String>) = all.partition(|case| named.contains(case.as_str()));
    let others = named.len() - there.len();
    format!(
        "{} of {} failures that files and probes decide are named by a rule, and {others} others; not named: {}",
        there.len(),
        DECIDABLE.len(),
        missing.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_and_what_is_not_add_up() {
        assert!(DECIDABLE.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        assert!(covered(&[]).starts_with("0 of 93 failures"));
        assert!(covered(&[]).contains(" F002 F004 "));
    }
}
