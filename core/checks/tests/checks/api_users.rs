//! Who must change what: every source, joined, against one target.

use belay_checks::{ApiFate, ApiSource, ApiUser, Knowledge, Severity, Verdict, api_users, check};
use belay_facts::Facts;
use serde_json::json;

use crate::fixture::{Fixture, knowledge, policy};

fn users(facts: &Facts, to: &str) -> Vec<ApiUser> {
    api_users(facts, &to.parse().unwrap(), knowledge())
}

/// Every source names the same API, and the target is past it.
fn everywhere() -> Fixture {
    let named = |by: &str, count: u64| json!({"api_version": "policy/v1beta1", "kind": "PodDisruptionBudget", "by": by, "count": count, "examples": ["shop/web"]});
    let place = |file: &str, template: bool| json!({"file": file, "line": 3, "name": "web", "template": template});
    Fixture::patched(json!({
        "edge": {"from": "v1.24.17+k3s1", "to": "v1.25.16+k3s4"},
        "manifests": {"apis": [{"api_version": "policy/v1beta1", "kind": "PodDisruptionBudget", "count": 2,
            "places": [place("deploy/pdb.yaml", false), place("chart/templates/pdb.yaml", true)]}]},
        "node": {"around": {"manifests": [{"file": "own.yaml", "objects": ["policy/v1beta1 PodDisruptionBudget", "v1 Service"]}]}},
        "objects": {
            "releases": [{"namespace": "shop", "name": "web", "revision": 4, "apis": ["policy/v1beta1 PodDisruptionBudget"]}],
            "named_apis": [named("kubectl-client-side-apply", 2), named("last-applied-configuration", 3), named("flux", 1)],
        },
        "cluster": {"deprecated_apis": [{"group": "policy", "version": "v1beta1", "resource": "poddisruptionbudgets",
            "removed_release": "1.25", "removed_minor": 25}]},
    }))
}

#[test]
fn every_source_is_joined_worst_first_with_its_successor() {
    let users = users(&everywhere().facts(), "v1.25.16+k3s4");
    let told: Vec<_> = users.iter().map(|user| (user.source, user.user.as_str(), user.line, user.count)).collect();
    let expected = [
        (ApiSource::File, "deploy/pdb.yaml", 3, 1),
        (ApiSource::Node, "n1: server/manifests/own.yaml", 0, 1),
        (ApiSource::Release, "shop/web revision 4", 0, 1),
        // Fields and annotation are traces of one user.
        (ApiSource::Apply, "kubectl apply", 0, 3),
        (ApiSource::Manager, "flux", 0, 1),
        (ApiSource::Requests, "a client since the API server's start", 0, 1),
        (ApiSource::Template, "chart/templates/pdb.yaml", 3, 1),
    ];
    assert_eq!(told, expected);
    for user in &users {
        assert_eq!(
            (user.fate, user.gone, user.api.as_str()),
            (ApiFate::Gone, 25, "policy/v1beta1 PodDisruptionBudget")
        );
        assert_eq!(user.successor.as_deref(), Some("policy/v1"), "{user:?}");
    }
    let seen = "policy/v1beta1 PodDisruptionBudget web, gone in 1.25, now policy/v1 (deploy/pdb.yaml:3)";
    assert_eq!(users[0].seen, seen);
}

#[test]
fn an_api_is_used_warned_of_and_gone_as_the_target_moves() {
    let facts = Fixture::patched(json!({"manifests": {"apis": [{"api_version": "networking.k8s.io/v1beta1",
        "kind": "ServiceCIDR", "count": 1, "places": [{"file": "a.yaml", "line": 1, "name": "", "template": false}]}]}}));
    let fate = |to: &str| users(&facts.facts(), to).first().map(|user| user.fate);
    assert_eq!(fate("v1.33.13+k3s2"), None);
    assert_eq!(fate("v1.36.3+k3s1"), Some(ApiFate::Deprecated));
    assert_eq!(fate("v1.37.1+k3s1"), Some(ApiFate::Gone));
}

#[test]
fn what_moves_by_itself_and_what_has_no_end_is_nobodys_to_change() {
    let by = |by: &str| json!({"api_version": "flowcontrol.apiserver.k8s.io/v1beta3", "kind": "FlowSchema", "by": by, "count": 9, "examples": ["exempt"]});
    let facts = Fixture::patched(json!({
        "objects": {"named_apis": [by("api-priority-and-fairness-config-consumer-v1"), by("k3s"), by("kube-controller-manager")]},
        "cluster": {"deprecated_apis": [{"group": "", "version": "v1", "resource": "endpoints", "removed_release": "", "removed_minor": 0}]},
    }));
    assert_eq!(users(&facts.facts(), "v1.36.3+k3s1"), []);
    let mine = Fixture::patched(json!({"objects": {"named_apis": [by("argocd")]}}));
    assert_eq!(users(&mine.facts(), "v1.36.3+k3s1").len(), 1);
}

#[test]
fn a_request_for_what_no_table_knows_is_told_as_the_server_says_it() {
    let facts =
        Fixture::patched(json!({"cluster": {"deprecated_apis": [{"group": "example.k8s.io", "version": "v1beta1",
        "resource": "widgets", "removed_release": "1.37", "removed_minor": 37}]}}));
    let users = users(&facts.facts(), "v1.36.3+k3s1");
    assert_eq!(
        (users[0].api.as_str(), users[0].fate, users[0].gone),
        ("example.k8s.io/v1beta1 widgets", ApiFate::Deprecated, 37)
    );
}

#[test]
fn a_stored_object_alone_blocks_nothing_and_a_file_and_a_release_do() {
    let only = Fixture::patched(json!({"edge": {"from": "v1.24.17+k3s1", "to": "v1.25.16+k3s4"},
        "objects": {"kinds": [{"api_version": "policy/v1beta1", "kind": "PodDisruptionBudget", "count": 1}]}}));
    let stored = only.finding("belay-api-stored-gone").unwrap();
    assert_eq!(stored.severity, Severity::Warn);
    let all = everywhere();
    for rule in ["belay-folder-api-gone", "belay-release-api-gone"] {
        let finding = all.finding(rule).unwrap();
        assert_eq!((finding.severity, finding.verdict), (Severity::Block, Verdict::Yes), "{rule}");
    }
}

#[test]
fn of_releases_that_could_not_be_read_nothing_is_known() {
    let verdict = |releases: serde_json::Value| {
        let fixture = Fixture::patched(json!({"objects": {"releases": releases}}));
        fixture.finding("belay-release-api-gone").map(|finding| finding.verdict)
    };
    assert_eq!(verdict(json!([])), None);
    assert_eq!(verdict(json!([{"namespace": "shop", "name": "web", "revision": 1}])), Some(Verdict::Unknown));
    assert_eq!(verdict(json!(null)), Some(Verdict::Unknown));
}

#[test]
fn folders_alone_are_asked_about_and_nothing_else_is() {
    let mut facts = everywhere().facts();
    (facts.cluster, facts.objects) = (None, None);
    facts.nodes.clear();
    assert!(facts.of_folders_alone());
    let edge = everywhere().edge;
    let found = check(&facts, &edge, knowledge(), &policy(vec![]));
    let rules: Vec<_> = found.iter().map(|finding| (finding.rule.as_str(), finding.verdict)).collect();
    assert_eq!(rules, [("belay-folder-api-gone", Verdict::Yes), ("belay-folder-template-api-gone", Verdict::Yes)]);
    let named =
        |facts: &Facts| check(facts, &edge, knowledge(), &policy(vec![])).iter().any(|f| f.rule.contains("folder"));
    facts.manifests = None;
    assert!(!named(&facts), "nobody named a folder");
}

#[test]
fn every_api_that_goes_has_a_successor_or_is_known_to_have_none() {
    let without = ["coordination.k8s.io/v1beta1 LeaseCandidate", "policy/v1beta1 PodSecurityPolicy"];
    let Knowledge { removed, replacements, .. } = knowledge();
    let apis = removed.ending_apis(u32::MAX);
    let lacking: Vec<&str> = apis.keys().copied().filter(|api| replacements.api(api).is_none()).collect();
    assert_eq!(lacking, without);
    for (name, api) in &apis {
        let successor = replacements.api(name).map(|version| format!("{version} {}", name.split(' ').nth(1).unwrap()));
        let ends = successor.as_deref().and_then(|successor| apis.get(successor)).map(|successor| successor.minor);
        assert!(ends.is_none_or(|ends| ends > api.minor), "{name} goes on in what goes before it");
        assert!(api.deprecated.is_none_or(|deprecated| deprecated < api.minor), "{name}");
    }
}
