//! Every rule against its fixtures, and the law that a missing fact is never silence.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::fixture::{Fixture, knowledge, policy};
use belay_checks::{Scope, Severity, Verdict, check};
use serde_json::Value as Json;

#[test]
fn every_rule_fires_on_its_red_facts_and_not_on_its_green_ones() {
    for rule in &knowledge().rules {
        let red = Fixture::of(&rule.red).finding(&rule.id).unwrap_or_else(|| panic!("{} is silent on red", rule.id));
        assert_eq!(red.verdict, Verdict::Yes, "{} on red: {:?}", rule.id, red.evidence);
        assert_eq!(red.node.is_some(), rule.scope == Scope::Node, "{}", rule.id);
        assert!(!red.evidence.is_empty(), "{} shows no evidence", rule.id);
        let texts = format!("{} {} {}", red.means, red.fix, red.evidence.join(" "));
        assert!(!texts.contains("(unknown)") && !texts.contains(['{', '}']), "{}: {texts}", rule.id);
        let green = Fixture::of(&rule.green).finding(&rule.id);
        assert_eq!(green, None, "{} speaks on green", rule.id);
    }
}

#[test]
fn every_fixture_belongs_to_a_rule() {
    let mut named: BTreeSet<String> = knowledge().rules.iter().flat_map(|r| [r.red.clone(), r.green.clone()]).collect();
    named.insert("fixtures/base.json".into());
    let there: BTreeSet<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"))
        .unwrap()
        .map(|entry| format!("fixtures/{}", entry.unwrap().file_name().display()))
        .collect();
    assert_eq!(there, named);
}

/// Every way to take one key out of the facts: its path for messages, and the facts without it.
fn without_one(facts: &Json) -> Vec<(String, Json)> {
    fn paths(at: &Json, pointer: &str, found: &mut Vec<String>) {
        match at {
            Json::Object(members) => {
                for (key, member) in members {
                    let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    found.push(pointer.clone());
                    paths(member, &pointer, found);
                }
            }
            Json::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    paths(element, &format!("{pointer}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    paths(facts, "", &mut found);
    found
        .into_iter()
        .map(|pointer| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut less = facts.clone();
            less.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            (pointer, less)
        })
        .collect()
}

/// The one fact whose absence is an answer: no run is open. (That only root can know it is tested below.)
const ABSENCE_IS_AN_ANSWER: [&str; 1] = ["/nodes/0/helper/open_run"];

#[test]
fn no_missing_fact_silences_a_blocking_rule() {
    let knowledge = knowledge();
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    for rule in knowledge.rules.iter().filter(|rule| rule.severity == Severity::Block) {
        let fixture = Fixture::of(&rule.red);
        for (pointer, less) in without_one(&fixture.facts) {
            // Facts that must be there cannot be missing: then there are no facts.
            let Some(facts) = Fixture::read_facts(&less) else { continue };
            if ABSENCE_IS_AN_ANSWER.contains(&pointer.as_str()) {
                continue;
            }
            let findings = check(&facts, &fixture.edge, &knowledge, &policy(vec![]));
            let Some(finding) = findings.iter().find(|finding| finding.rule == rule.id) else {
                panic!("{} is silent without {pointer}", rule.id)
            };
            if finding.verdict == Verdict::Unknown {
                let why = finding.evidence.first().map_or("", String::as_str);
                assert!(why.starts_with("not known: "), "{} without {pointer}: {why}", rule.id);
                unknown.insert(rule.id.clone());
            }
        }
    }
    // Rules that depend on nothing but facts that are always there cannot become unknown.
    let always: BTreeSet<String> = [
        "belay-config-key-unknown-to-target",
        "belay-config-unreadable",
        "belay-helper-not-root",
        "belay-init-not-systemd",
        "belay-not-a-server",
        "belay-path-downgrade",
        "belay-path-skipped-minor",
        "belay-release-known-bad",
        "belay-run-unfinished",
    ]
    .map(String::from)
    .into();
    let blocking = knowledge.rules.iter().filter(|rule| rule.severity == Severity::Block).map(|rule| rule.id.clone());
    assert_eq!(blocking.filter(|id| !unknown.contains(id)).collect::<BTreeSet<_>>(), always);
}

#[test]
fn no_missing_fact_makes_healthy_facts_look_bad() {
    let knowledge = knowledge();
    let base = Fixture::base();
    for (pointer, less) in without_one(&base.facts) {
        let Some(facts) = Fixture::read_facts(&less) else { continue };
        for finding in check(&facts, &base.edge, &knowledge, &policy(vec![])) {
            let known = finding.verdict == Verdict::Yes && finding.severity == Severity::Block;
            assert!(!known, "{} is sure without {pointer}: {:?}", finding.rule, finding.evidence);
        }
    }
}
