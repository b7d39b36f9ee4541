//! Every rule against its fixtures, and the law that a missing fact is never silence.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::fixture::{Fixture, knowledge, policy};
use belay_checks::{Knowledge, Rule, Scope, Severity, Verdict, check};
use serde_json::Value as Json;

#[test]
fn every_rule_fires_on_its_red_facts_and_not_on_its_green_ones() {
    let mut wrong = Vec::new();
    one_by_one(|alone| {
        let ask = |path: &str| {
            let fixture = Fixture::of(path);
            check(&fixture.facts(), &fixture.edge, alone, &policy(vec![])).into_iter().next()
        };
        let rule = &alone.rules[0];
        let mut complain = |why: String| wrong.push(format!("{}: {why}", rule.id));
        if let Some(red) = ask(&rule.red) {
            let texts = format!("{} {} {}", red.means, red.fix, red.evidence.join(" "));
            match () {
                () if red.verdict != Verdict::Yes => complain(format!("{} on red: {texts}", red.verdict)),
                () if red.node.is_some() != (rule.scope == Scope::Node) => complain("names the wrong node".into()),
                () if red.evidence.is_empty() => complain("shows no evidence".into()),
                () if texts.contains("(unknown)") || texts.contains(['{', '}']) => complain(texts),
                () => {}
            }
        } else {
            complain("is silent on red".into());
        }
        if let Some(green) = ask(&rule.green) {
            complain(format!("speaks on green: {} {:?}", green.verdict, green.evidence));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

/// Every rule in knowledge of its own: asking all of them a thousand times takes minutes.
fn one_by_one(mut ask: impl FnMut(&Knowledge)) {
    let mut alone = Knowledge::embedded().unwrap();
    for rule in std::mem::take(&mut alone.rules) {
        alone.rules = vec![rule];
        ask(&alone);
    }
}

/// Every key of the facts that a rule can see, by name: those in its text, and those that its variables are derived from.
fn names(rule: &Rule) -> BTreeSet<String> {
    let written = rule.when().split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned);
    let mut names: BTreeSet<String> = written.collect();
    for (variable, facts) in [
        ("config_keys", "config keys values source"),
        ("config_unreadable", "config unreadable"),
        ("kubelet_args", "config keys values"),
        ("arguments", "config keys values"),
        ("gates", "config keys values"),
        ("needs", "disks binary size datastore device"),
        ("open_runs", "helper open_run uid"),
        ("kernel_number", "kernel"),
        ("start_seconds", "unit last_start"),
    ] {
        if names.contains(variable) {
            names.extend(facts.split(' ').map(str::to_owned));
        }
    }
    names
}

/// The facts whose absence is an answer: no run is open (that only root can know it is tested below), and nobody asked what K3s
/// has extracted.
const ABSENCE_IS_AN_ANSWER: [&str; 2] = ["/nodes/0/helper/open_run", "/nodes/0/userland"];

#[test]
fn no_missing_fact_silences_a_blocking_rule() {
    one_by_one(|alone| {
        let rule = &alone.rules[0];
        if rule.severity == Severity::Block {
            is_never_silent(rule, alone);
        }
    });
}

fn is_never_silent(rule: &Rule, alone: &Knowledge) {
    let fixture = Fixture::of(&rule.red);
    let names = names(rule);
    let mut unknown = false;
    for (pointer, less) in without_one(&fixture.facts) {
        let key = pointer.rsplit('/').next().unwrap_or_default();
        if ABSENCE_IS_AN_ANSWER.contains(&pointer.as_str()) || !names.contains(key) {
            continue;
        }
        // Facts that must be there cannot be missing: then there are no facts.
        let Some(facts) = Fixture::read_facts(&less) else { continue };
        let findings = check(&facts, &fixture.edge, alone, &policy(vec![]));
        let Some(finding) = findings.first() else { panic!("{} is silent without {pointer}", rule.id) };
        if finding.verdict == Verdict::Unknown {
            let why = finding.evidence.first().map_or("", String::as_str);
            assert!(why.starts_with("not known: "), "{} without {pointer}: {why}", rule.id);
            unknown = true;
        }
    }
    // A rule that cannot become unknown asks for nothing but what is always there, or what a table answers.
    let optional = [
        "cluster.",
        "objects.",
        "node.unit",
        "node.binary",
        "node.process",
        "node.datastore",
        "node.certificates",
        "node.cgroup",
        "node.memory",
        "node.disks",
        "node.needs",
        "node.around",
    ];
    let asked: Vec<_> = optional.iter().filter(|fact| rule.when().contains(**fact)).collect();
    assert!(unknown || asked.is_empty(), "{} asks for {asked:?} and is never unknown", rule.id);
}

#[test]
fn no_missing_fact_makes_healthy_facts_look_bad() {
    let knowledge = knowledge();
    let base = Fixture::base();
    for (pointer, less) in without_one(&base.facts) {
        let Some(facts) = Fixture::read_facts(&less) else { continue };
        for finding in check(&facts, &base.edge, knowledge, &policy(vec![])) {
            let known = finding.verdict == Verdict::Yes && finding.severity == Severity::Block;
            assert!(!known, "{} is sure without {pointer}: {:?}", finding.rule, finding.evidence);
        }
    }
}
