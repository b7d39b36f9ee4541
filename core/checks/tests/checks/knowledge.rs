//! The tables against what the sources say (`reference/k3s-facts.md` §3.4, §4), and knowledge that is broken.

use std::collections::BTreeSet;

use crate::fixture::knowledge;
use belay_checks::{Knowledge, RULE_IDS, Release, Severity, table};
use belay_facts::K3sVersion;

fn look_up(tag: &str) -> Release {
    knowledge().releases.look_up(&tag.parse().unwrap())
}

#[test]
fn components_are_those_of_the_full_tag() {
    for (tag, etcd) in [
        ("v1.33.7+k3s1", Some("3.5.25")),
        ("v1.33.7+k3s3", Some("3.5.26")),
        ("v1.33.10+k3s1", Some("3.5.26")),
        ("v1.33.11+k3s1", Some("3.6.7")),
        ("v1.33.13+k3s2", Some("3.6.12")),
        ("v1.34.3+k3s1", Some("3.6.6")),
        ("v1.34.3+k3s3", Some("3.6.7")),
        ("v1.35.4+k3s1", Some("3.6.7")),
        ("v1.35.6+k3s1", Some("3.6.12")),
        ("v1.36.1+k3s1", Some("3.6.7")),
        ("v1.36.3+k3s1", Some("3.6.14")),
        ("v1.37.1+k3s1", Some("3.7.1")),
        ("v1.36.6+k3s1", None),
        ("v1.36.3-rc1+k3s1", None),
        ("v1.38.0+k3s1", None),
    ] {
        assert_eq!(look_up(tag).etcd.as_deref(), etcd, "{tag}");
    }
    let release = look_up("v1.36.3+k3s1");
    assert_eq!((release.etcd_minor, release.etcd_patch), (Some(6), Some(14)));
    assert_eq!(release.containerd_minor.as_deref(), Some("2.3"));
    assert_eq!(look_up("v1.36.1+k3s1").kine_minor.as_deref(), Some("0.15"));
    let minors = |tag| look_up(tag).minors().map(|(name, minor)| format!("{name} {}", minor.unwrap_or_default()));
    assert_eq!(minors("v1.36.3+k3s2"), ["etcd 3.6", "kine 0.16", "containerd 2.3"]);
    assert_eq!(minors("v1.37.1+k3s1"), ["etcd 3.7", "kine 0.17", "containerd 2.3"]);
    assert_eq!(minors("v1.36.4+k3s1"), ["etcd 3.6", "kine ", "containerd 2.3"]);
}

#[test]
fn known_is_what_the_table_covers() {
    for (tag, known) in [
        ("v1.24.0+k3s1", true),
        ("v1.36.5+k3s1", true),
        ("v1.36.5+k3s2", false),
        ("v1.36.6+k3s1", false),
        ("v1.34.0+k3s1", false),
        ("v1.36.3-rc1+k3s1", false),
        ("v1.36.3+k3s-706aea60", false),
        ("v1.23.17+k3s1", false),
        ("v2.36.3+k3s1", false),
    ] {
        assert_eq!(look_up(tag).known, known, "{tag}");
    }
}

#[test]
fn hazards_key_on_the_full_tag() {
    let bad = |tag: &str| look_up(tag).hazards.iter().any(|hazard| hazard.severity == Severity::Block);
    assert!(bad("v1.24.9+k3s1") && !bad("v1.24.9+k3s2"));
    assert!(bad("v1.27.7+k3s1") && !bad("v1.27.7+k3s2"));
    assert!(bad("v1.32.0+k3s1") && bad("v1.32.3+k3s1") && !bad("v1.32.4+k3s1"));
    for latest in knowledge().releases.latest() {
        assert!(!bad(&latest.tag()), "{latest}");
    }
}

#[test]
fn no_two_ranges_of_a_component_overlap() {
    // Every tag that a table could mean has at most one answer, whatever the order of its entries.
    let text = include_str!("../../knowledge/releases.toml");
    let raw: toml::Table = text.parse().unwrap();
    let tag = |value: &toml::Value| value.as_str().unwrap().parse::<K3sVersion>().unwrap();
    let component = raw["component"].as_array().unwrap();
    for (index, a) in component.iter().enumerate() {
        for b in &component[index + 1..] {
            if a["name"] != b["name"] || tag(&a["from"]).minor != tag(&b["from"]).minor {
                continue;
            }
            let (first, second) = if tag(&a["from"]) < tag(&b["from"]) { (a, b) } else { (b, a) };
            let end = first.get("before").unwrap_or_else(|| panic!("{first} has no end"));
            assert!(tag(end) <= tag(&second["from"]), "{first} overlaps {second}");
        }
    }
}

#[test]
fn flags_come_and_go_with_the_minor() {
    let knowledge = knowledge();
    let knows = |tag: &str, flag: &str| knowledge.flags.of(&tag.parse().unwrap()).unwrap().contains(flag);
    assert!(knows("v1.25.16+k3s4", "no-deploy") && !knows("v1.26.0+k3s1", "no-deploy"));
    assert!(!knows("v1.26.15+k3s1", "multi-cluster-cidr") && knows("v1.27.0+k3s1", "multi-cluster-cidr"));
    assert!(knows("v1.29.15+k3s1", "multi-cluster-cidr") && !knows("v1.30.0+k3s1", "multi-cluster-cidr"));
    assert!(!knows("v1.36.1+k3s1", "helm-controller-arg") && knows("v1.37.0+k3s1", "helm-controller-arg"));
    assert!(knows("v1.36.1+k3s1", "disable-agent"), "hidden flags are flags");
    assert_eq!(knowledge.flags.of(&"v1.38.0+k3s1".parse().unwrap()), None);
}

#[test]
fn the_table_lists_every_rule_once_and_says_why_it_is_believed() {
    let knowledge = knowledge();
    let rows = table(knowledge);
    assert_eq!(rows.iter().map(|row| &row.id).collect::<BTreeSet<_>>().len(), knowledge.rules.len());
    assert!(rows.windows(2).all(|pair| pair[0].severity >= pair[1].severity));
    assert!(rows.iter().all(|row| !row.sources.is_empty()));
}

#[test]
fn an_id_that_is_none_leads_to_the_one_that_was_meant() {
    let knowledge = knowledge();
    assert_eq!(RULE_IDS.len(), knowledge.rules.len());
    assert!(RULE_IDS.iter().all(|id| knowledge.rule(id).is_some()));
    assert!(knowledge.nearest("zombie").contains(&"belay-etcd-36-zombie-members"));
    assert_eq!(knowledge.nearest("belay-disk-spcae"), ["belay-disk-space"]);
    assert_eq!(knowledge.nearest("disk_space"), ["belay-disk-space"]);
    assert_eq!(knowledge.nearest("").len(), 1);
}

const RULE: &str = r#"
id = "belay-x"
title = "t"
severity = "warn"
scope = "node"
when = 'node.name == "n1"'
means = "m"
fix = "f {node.name}"
sources = ["s"]
as_of = 2026-11-23
red = "r"
green = "g"
"#;

fn refused(text: &str) -> String {
    let releases = include_str!("../../knowledge/releases.toml");
    let flags = include_str!("../../knowledge/server-flags.toml");
    Knowledge::parse(&[("x", text)], releases, flags).err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn a_broken_rule_is_refused_with_its_file_and_the_reason() {
    assert_eq!(refused(RULE), "");
    for (from, to, why) in [
        ("belay-x", "belay-y", "its id is `belay-y`"),
        ("\"n1\"'", "\"n1'", "could not be parsed"),
        ("severity = \"warn\"", "severity = \"bad\"", "unknown variant"),
        ("title", "titel", "unknown field `titel`"),
        ("node.name ==", "nod.name ==", "no variable `nod`"),
        ("scope = \"node\"", "scope = \"cluster\"", "no variable `node`"),
        ("when = 'node.name", "when = 'edge.to.tag", "needs = \"target\""),
        ("scope = \"node\"", "scope = \"node\"\nneeds = \"target\"", "it needs no target"),
        ("{node.name}", "{node.name", "is not closed"),
        ("sources = [\"s\"]", "sources = []", "no source"),
        ("2026-11-23", "\"today\"", "as_of"),
    ] {
        let message = refused(&RULE.replace(from, to));
        assert!(message.contains("rules/x.toml") && message.contains(why), "{from} → {to}: {message}");
    }
}

/// Where nobody looked so deep, a CI's list of rules must not show it as passed.
#[test]
fn what_only_a_deep_look_reads_is_known_to_be_so() {
    let deep: Vec<_> = table(knowledge()).into_iter().filter(|row| row.needs_deep).map(|row| row.id).collect();
    assert_eq!(deep, ["belay-userland-damaged"]);
}
