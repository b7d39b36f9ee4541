//! Unknown is not yes: a fact that could not be read decides nothing, whatever stands in its place, and the finding says why.

use belay_checks::{Finding, Severity, Verdict};
use serde_json::{Value as Json, json};

use crate::fixture::Fixture;

const WHY: &str = "listing the nodes: the right `list nodes -A` is missing (HTTP 403)";
const FIX: &str = "kubectl apply -f belay-check.yaml";

fn without(fact: &str, patch: Json) -> Fixture {
    let mut fixture = Fixture::patched(patch);
    fixture.facts["unread"] = json!([{ "fact": fact, "why": WHY, "fix": FIX }]);
    fixture
}

fn is_unknown(fixture: &Fixture, rule: &str) -> Finding {
    let finding = fixture.finding(rule).unwrap_or_else(|| panic!("{rule} is ruled out"));
    assert_eq!(finding.verdict, Verdict::Unknown, "{rule}: {:?}", finding.evidence);
    finding
}

#[test]
fn a_denied_read_makes_its_rules_unknown_and_names_the_right() {
    let fixture = without("cluster.nodes", json!({ "cluster": { "nodes": [] } }));
    let finding = is_unknown(&fixture, "belay-node-not-ready");
    assert_eq!(finding.severity, Severity::Block);
    assert_eq!(finding.evidence, ["not known: cluster.nodes", WHY]);
    assert_eq!(finding.fix, FIX);
    assert!(belay_checks::blocks(&fixture.check()));
    // What does not need it is judged as ever.
    assert!(fixture.finding("belay-api-not-ready").is_none());
}

#[test]
fn without_any_answer_of_the_api_every_rule_about_it_says_why() {
    let fixture = without("cluster", json!({ "cluster": null }));
    let unknown: Vec<Finding> =
        fixture.check().into_iter().filter(|finding| finding.verdict == Verdict::Unknown).collect();
    for finding in &unknown {
        assert_eq!(finding.fix, FIX, "{finding:?}");
        assert!(finding.evidence.contains(&WHY.to_owned()), "{finding:?}");
    }
    assert!(unknown.iter().any(|finding| finding.rule == "belay-api-not-ready"));
}

#[test]
fn what_stands_in_the_place_of_an_unread_fact_is_no_answer() {
    for (fact, patch, rule) in [
        // As a helper without root has it: not tried.
        (
            "node.disks.data.exchange",
            json!({ "node": { "disks": { "data": { "exchange": false } } } }),
            "belay-exchange-impossible",
        ),
        ("node.certificates", json!({ "node": { "certificates": [] } }), "belay-certificate-invalid"),
        ("node.config", json!({}), "belay-cluster-reset-left"),
        ("node.config", json!({}), "belay-critical-config-mismatch"),
        ("node.helper.open_run", json!({}), "belay-run-unfinished"),
        ("node.datastore", json!({}), "belay-sqlite-integrity"),
        ("node.disks.data", json!({}), "belay-inodes-low"),
        ("node.userland", json!({}), "belay-userland-damaged"),
    ] {
        let finding = is_unknown(&without(fact, patch), rule);
        assert!(finding.evidence.contains(&WHY.to_owned()) && finding.fix == FIX, "{fact}: {finding:?}");
    }
}

/// Regression: the rule asked first whether the API had told of it, and was content that it had not.
#[test]
fn a_password_that_could_not_be_asked_for_was_taken_for_none() {
    let node = json!({
        "name": "n1", "uid": "u", "roles": [], "kubelet": "v1.35.4+k3s1", "ready": true, "unschedulable": false, "pressure": [],
    });
    let patch = json!({ "node": { "around": { "node_password": false } }, "cluster": { "nodes": [node] } });
    let finding = is_unknown(&without("cluster.nodes.password", patch), "belay-node-password-gone");
    assert!(finding.evidence.contains(&WHY.to_owned()), "{finding:?}");
}

#[test]
fn a_rule_about_all_nodes_says_why_as_well() {
    let mut fixture = without("node.datastore", json!({ "node": { "datastore": null } }));
    fixture.edge.from = "v1.33.10+k3s1".parse().unwrap();
    fixture.edge.to = Some("v1.34.12+k3s1".parse().unwrap());
    let finding = is_unknown(&fixture, "belay-etcd-minor-changes");
    assert!(finding.evidence.contains(&WHY.to_owned()), "{finding:?}");
}

/// Regression: one problem of etcd alone, on a node whose datastore was not known, took the evidence of all.
#[test]
fn problems_of_a_target_stood_without_one_where_the_datastore_is_not_known() {
    let mut fixture = without("node.datastore", json!({ "node": { "datastore": null } }));
    fixture.edge.to = Some("v1.35.0+k3s1".parse().unwrap());
    let finding = fixture.finding("belay-release-hazard").unwrap();
    assert!(finding.evidence.iter().any(|seen| seen.starts_with("with etcd: ")), "{finding:?}");
    fixture.facts["nodes"][0]["datastore"] = Fixture::base().facts["nodes"][0]["datastore"].clone();
    fixture.facts["unread"] = json!([]);
    let sqlite = fixture.finding("belay-release-hazard").unwrap();
    assert!(
        !sqlite.evidence.is_empty() && !sqlite.evidence.iter().any(|seen| seen.contains("with etcd")),
        "{sqlite:?}"
    );
}

#[test]
fn facts_are_written_and_read_with_what_is_unread_and_unchanged_without() {
    let fixture = without("cluster.nodes", json!({}));
    let text = serde_json::to_string(&fixture.facts()).unwrap();
    assert!(text.contains(WHY));
    assert!(!serde_json::to_string(&Fixture::base().facts()).unwrap().contains("unread\":[{\"fact"));
    assert_eq!(belay_facts::Facts::from_json(&text).unwrap(), fixture.facts());
}

/// Found by a reviewer: what is measured of a datastore or a disk said "nothing measured" where nobody could look.
#[test]
fn a_measure_of_what_could_not_be_read_is_not_a_good_one() {
    let etcd = json!({ "node": { "datastore": null } });
    for rule in ["belay-etcd-slow-sync", "belay-etcd-grows-to-quota"] {
        is_unknown(&without("node.datastore", etcd.clone()), rule);
    }
    is_unknown(&without("node.disks.data", json!({})), "belay-disk-slow-flush");
    for rule in ["belay-etcd-slow-sync", "belay-etcd-grows-to-quota", "belay-disk-slow-flush"] {
        assert!(Fixture::base().finding(rule).is_none(), "{rule}: there was nothing to measure");
    }
}
