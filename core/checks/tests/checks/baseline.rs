use belay_checks::{Baseline, Verdict};
use serde_json::json;

use crate::fixture::Fixture;

#[test]
fn a_baseline_knows_what_was_there_when_it_was_written_and_nothing_else() {
    let found = Fixture::of("fixtures/disk-space-red.json").check();
    let written = serde_json::to_string(&Baseline::of(&found)).unwrap();
    let baseline = Baseline::from_json(&written).unwrap();
    assert!(!found.is_empty() && found.iter().all(|finding| baseline.knows(finding)));

    let mut changed = found[0].clone();
    changed.evidence = vec!["another day".to_owned()];
    assert!(baseline.knows(&changed), "what was seen may change");
    changed.node = Some("n2".to_owned());
    assert!(!baseline.knows(&changed), "the same on another node is new");
    let mut worse = found[0].clone();
    worse.verdict = if worse.verdict == Verdict::Yes { Verdict::Unknown } else { Verdict::Yes };
    assert!(!baseline.knows(&worse), "what was only unknown is new when it is so");
}

#[test]
fn what_is_no_baseline_is_refused() {
    assert!(Baseline::from_json("[]").is_err());
    let other = json!({ "belay": "facts/v1", "findings": [] }).to_string();
    assert!(Baseline::from_json(&other).unwrap_err().to_string().contains("facts/v1"));
}
