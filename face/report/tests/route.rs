//! A ladder for people and for Graphviz.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use belay_checks::{Knowledge, NoRoute, ReleaseGraph, Route, Standing};
use belay_report::{Style, no_route_text, route_dot, route_text};

fn find(from: &str, to: &str) -> Result<Route, Box<NoRoute>> {
    let releases = Knowledge::embedded().unwrap().releases;
    let standing = Standing { tag: from.parse().unwrap(), datastore: None, etcd: None };
    ReleaseGraph::of(&releases, &standing).route(&to.parse().unwrap())
}

#[test]
fn a_ladder_names_every_rung_why_and_what_to_type_first() {
    let route = find("v1.33.6+k3s1", "v1.37.1+k3s1").unwrap();
    let text = route_text(&route, Style::default());
    let mut at = 0;
    for rung in &route.rungs {
        at += text[at..].find(&rung.tag.to_string()).unwrap_or_else(|| panic!("{} is missing: {text}", rung.tag));
    }
    for part in [
        "v1.33.6+k3s1 → v1.37.1+k3s1: 5 upgrades",
        "not at once: from v1.33.6+k3s1 to v1.37.1+k3s1 are 4 minors",
        "3.5.26 may be followed by 3.6.14",
        "not     v1.33.11+k3s1: etcd 3.5.21 must not go to 3.6.7",
        "First: belay upgrade --to v1.33.10+k3s1",
        "--datastore sqlite",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn where_no_ladder_leads_the_nearest_target_is_shown_with_its_own() {
    let no = find("v1.31.14+k3s1", "v1.32.2+k3s1").unwrap_err();
    let text = no_route_text(&no, Style::default());
    assert!(text.contains("CVE-2025-46599"), "{text}");
    assert!(text.contains("First: belay upgrade --to v1.32.13+k3s1"), "{text}");
}

#[test]
fn a_drawing_has_an_edge_for_every_rung_and_a_dashed_one_for_what_was_avoided() {
    let route = find("v1.36.0+k3s1", "v1.37.1+k3s1").unwrap();
    let dot = route_dot(&route);
    assert!(dot.starts_with("digraph ") && dot.trim_end().ends_with('}'));
    assert!(dot.contains("\"v1.36.0+k3s1\" -> \"v1.36.5+k3s1\" [penwidth=2"), "{dot}");
    assert!(dot.contains("\"v1.36.5+k3s1\" -> \"v1.37.1+k3s1\" [penwidth=2"), "{dot}");
    let avoided: usize = route.rungs.iter().map(|rung| rung.avoided.len()).sum();
    assert_eq!(dot.matches("-> ").count() - dot.matches("penwidth").count(), avoided, "{dot}");
    assert_eq!(dot.matches('"').count() % 2, 0, "{dot}");
}
