//! `check` as a whole: what blocks, what is accepted, what is unknown, and in which order it comes.

use crate::fixture::{Fixture, knowledge, policy};
use belay_checks::{Acceptance, Edge, Finding, Severity, Verdict, blocks, check, worst};
use serde_json::json;

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.as_str()).collect()
}

#[test]
fn a_healthy_server_may_go_ahead() {
    let findings = Fixture::base().check();
    assert!(!blocks(&findings), "{findings:#?}");
    // v1.36.3 has problems that are known (they are repaired in v1.36.5).
    assert_eq!(ids(&findings), ["belay-release-hazard"]);
    assert_eq!(worst(&findings), Some(Severity::Warn));
}

#[test]
fn without_a_target_only_what_is_true_now_is_asked() {
    let mut fixture = Fixture::patched(json!({"node": {"cgroup": "v1", "unit": {"restarts": 2}}}));
    assert_eq!(ids(&fixture.check()).first(), Some(&"belay-cgroup-v1-kubelet"));
    fixture.edge.to = None;
    assert_eq!(ids(&fixture.check()), ["belay-unit-restarted"]);
}

#[test]
fn without_an_api_everything_about_the_cluster_is_unknown_and_blocks() {
    let mut fixture = Fixture::base();
    fixture.facts["cluster"] = json!(null);
    let findings = fixture.check();
    assert!(blocks(&findings));
    for rule in ["belay-api-not-ready", "belay-more-than-one-node", "belay-node-not-ready", "belay-other-upgrade-tool"]
    {
        let finding = findings.iter().find(|finding| finding.rule == rule).unwrap_or_else(|| panic!("{rule}"));
        assert_eq!(finding.verdict, Verdict::Unknown, "{rule}");
        assert!(finding.evidence[0].starts_with("not known: cluster."), "{rule}: {:?}", finding.evidence);
    }
}

#[test]
fn objects_that_nobody_asked_for_are_not_asked_about_and_unread_ones_are_unknown() {
    let mut fixture = Fixture::patched(json!({"objects": {"bootstrap_keys": 2}}));
    let verdict = |fixture: &Fixture| fixture.finding("belay-bootstrap-keys").map(|finding| finding.verdict);
    assert_eq!(verdict(&fixture), Some(Verdict::Yes));
    fixture.facts["objects"] = json!({"unread": {"why": "the datastore is external"}});
    assert_eq!(verdict(&fixture), Some(Verdict::Unknown));
    fixture.facts.as_object_mut().unwrap().remove("objects");
    assert_eq!(verdict(&fixture), None);
    // What cannot be told because it is encrypted is no answer either.
    let sealed = Fixture::patched(json!({"objects": {"pending_releases": null}}));
    assert_eq!(sealed.finding("belay-helm-release-pending").map(|finding| finding.verdict), Some(Verdict::Unknown));
}

#[test]
fn without_a_node_nothing_is_known_about_nodes() {
    let mut fixture = Fixture::base();
    fixture.facts["nodes"] = json!([]);
    let findings = fixture.check();
    assert!(blocks(&findings));
    let disk = findings.iter().find(|finding| finding.rule == "belay-disk-space").unwrap();
    assert_eq!((disk.verdict, &disk.node), (Verdict::Unknown, &None));
}

#[test]
fn a_second_inspected_node_is_refused_by_name() {
    let mut fixture = Fixture::base();
    let mut second = fixture.facts["nodes"][0].clone();
    second["name"] = json!("n2");
    second["cgroup"] = json!("v1");
    fixture.facts["nodes"] = json!([fixture.facts["nodes"][0], second]);
    let findings = fixture.check();
    assert_eq!(ids(&findings)[..2], ["belay-cgroup-v1-kubelet", "belay-more-than-one-node"]);
    assert_eq!(findings[0].node.as_deref(), Some("n2"));
}

#[test]
fn what_a_minor_outside_the_tables_knows_is_unknown() {
    let fixture = Fixture::patched(json!({"edge": {"from": "v1.37.1+k3s1", "to": "v1.38.0+k3s1"},
        "cluster": {"version": "v1.37.1+k3s1"}, "node": {"binary": {"version": "v1.37.1+k3s1"}}}));
    let findings = fixture.check();
    let verdict = |rule: &str| findings.iter().find(|finding| finding.rule == rule).map(|finding| finding.verdict);
    assert_eq!(verdict("belay-config-key-unknown-to-target"), Some(Verdict::Unknown));
    // Nobody knows that a flag has to go, so nobody is told to remove one.
    let flags = findings.iter().find(|finding| finding.rule == "belay-config-key-unknown-to-target").unwrap();
    assert!(flags.fix.contains("`k3s server --help`") && !flags.fix.contains("Remove"), "{}", flags.fix);
    assert!(flags.fix.contains("v1.38.0+k3s1") && flags.fix.contains("n1"), "{}", flags.fix);
    assert_eq!(verdict("belay-release-unknown"), Some(Verdict::Yes));
    // On SQLite it does not matter which etcd an unknown release carries.
    assert_eq!(verdict("belay-etcd-37-from-36-11"), None);
}

#[test]
fn an_unreadable_configuration_makes_every_key_unknown() {
    let fixture =
        Fixture::patched(json!({"node": {"cgroup": "v1", "config": {"unreadable": ["config.yaml: line 3"]}}}));
    let finding = fixture.finding("belay-cgroup-v1-kubelet").unwrap();
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert_eq!(finding.evidence, ["not known: node.kubelet_args", "cgroup v1"]);
}

#[test]
fn only_root_knows_that_no_run_is_open() {
    let fixture = Fixture::patched(json!({"node": {"helper": {"uid": 1000}}}));
    assert_eq!(fixture.finding("belay-run-unfinished").unwrap().verdict, Verdict::Unknown);
}

#[test]
fn a_later_value_replaces_and_a_plus_appends() {
    let key = |values: &[&str], append: bool| json!({"key": "kubelet-arg", "values": values, "source": "/etc/rancher/k3s/config.yaml", "line": 1, "append": append});
    let fires = |keys| {
        let fixture = Fixture::patched(json!({"node": {"cgroup": "hybrid", "config": {"keys": keys}}}));
        fixture.finding("belay-cgroup-v1-kubelet").is_some()
    };
    assert!(!fires(json!([key(&["fail-cgroupv1=false"], false), key(&["max-pods=50"], true)])));
    assert!(fires(json!([key(&["fail-cgroupv1=false"], false), key(&["max-pods=50"], false)])));
}

fn acceptance(rule: &str, until: &str) -> Acceptance {
    Acceptance { rule: rule.into(), reason: "lab".into(), by: "ada".into(), until: until.parse().unwrap() }
}

#[test]
fn an_acceptance_counts_through_its_last_day_and_not_after() {
    let fixture = Fixture::patched(json!({"node": {"cgroup": "v1"}}));
    let rule = "belay-cgroup-v1-kubelet";
    let with =
        |until: &str| check(&fixture.facts(), &fixture.edge, knowledge(), &policy(vec![acceptance(rule, until)]));
    assert!(!blocks(&with("2026-11-23")));
    assert!(blocks(&with("2026-11-22")));
    let accepted = with("2026-12-01");
    assert_eq!(ids(&accepted), ["belay-release-hazard", rule], "what is accepted comes last");
    assert_eq!(accepted[1].accepted, Some(acceptance(rule, "2026-12-01")));
    assert_eq!(worst(&accepted), Some(Severity::Warn));
}

#[test]
fn an_acceptance_without_a_name_or_a_reason_is_none() {
    for (reason, by) in [("", "ada"), ("lab", " ")] {
        let mut nameless = acceptance("belay-x", "2030-01-01");
        (nameless.reason, nameless.by) = (reason.into(), by.into());
        assert_eq!(policy(vec![nameless]).acceptance("belay-x"), None);
    }
}

#[test]
fn what_belay_cannot_do_cannot_be_accepted() {
    let fixture = Fixture::patched(json!({"node": {"datastore": {"kind": "etcd"}}}));
    let accepted = policy(vec![acceptance("belay-datastore-external", "2030-01-01")]);
    assert!(blocks(&check(&fixture.facts(), &fixture.edge, knowledge(), &accepted)));
}

#[test]
fn the_worst_comes_first_and_the_order_never_changes() {
    let fixture = Fixture::patched(json!({
        "node": {"cgroup": "v1", "unit": {"restarts": 1}, "certificates": null},
        "cluster": {"readiness": {"ok": false, "failing": ["etcd"]}},
    }));
    let findings = fixture.check();
    assert_eq!(
        ids(&findings),
        [
            "belay-api-not-ready",
            "belay-cgroup-v1-kubelet",
            "belay-certificate-invalid",
            "belay-release-hazard",
            "belay-unit-restarted",
            "belay-ca-ends-within-a-year",
            "belay-certificate-expiring",
        ]
    );
    let bytes = serde_json::to_string(&findings).unwrap();
    assert_eq!(serde_json::to_string(&fixture.check()).unwrap(), bytes);
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&bytes).unwrap(), findings);
}

#[test]
fn disk_needs_add_up_on_one_device_and_not_on_three() {
    let need = |fixture: &Fixture, role: &str| {
        belay_checks::Space::needed_on(&fixture.facts().nodes[0]).unwrap().0.get(role).copied().unwrap()
    };
    let mib = 1 << 20;
    let (binary, server) = (100 * mib, 12 * mib + 16 * mib);
    let sizes = json!({"binary": {"size": binary}, "datastore": {"size": 12 * mib}});
    let together = Fixture::patched(json!({"node": sizes}));
    let total = binary + (300 * mib + 2 * server) + (server + binary);
    for role in ["binary", "data", "state"] {
        assert_eq!(need(&together, role), total + total / 5, "{role}");
    }
    let mut apart = sizes;
    apart["disks"] = json!({"binary": {"device": 1}, "data": {"device": 2}, "state": {"device": 3}});
    let apart = Fixture::patched(json!({"node": apart}));
    assert_eq!(need(&apart, "binary"), binary + binary / 5);
    assert_eq!(need(&apart, "state"), (server + binary) + (server + binary) / 5);
}

#[test]
fn an_edge_reads_back() {
    let edge: Edge = serde_json::from_value(json!({"from": "v1.35.4+k3s1"})).unwrap();
    assert_eq!(edge.to, None);
}
