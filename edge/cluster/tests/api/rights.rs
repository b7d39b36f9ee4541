//! docs/rbac/belay-check.yaml, the list of reads in the code, and what a check really asks: all three are the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use belay_cluster::{Read, Right};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fake_cluster::FakeCluster;

const PUBLISHED: &str = include_str!("../../../../docs/rbac/belay-check.yaml");
/// What the file says where the name of the node belongs.
const NODE: &str = "NODE";

/// A cluster that has everything that a check looks for.
fn cluster() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.says("/version", 200, r#"{"gitVersion":"v1.36.1+k3s1"}"#);
    cluster.says("/readyz", 200, "[+]ping ok\nreadyz check passed\n");
    cluster.says("/metrics", 200, "");
    let named = |name: &str| json!({ "metadata": { "name": name, "namespace": "kube-system", "uid": "ab434ebf" } });
    cluster.put("/api/v1/namespaces/kube-system", named("kube-system"));
    cluster.put("/api/v1/nodes/NODE", named(NODE));
    cluster.put("/api/v1/namespaces/kube-system/secrets/NODE.node-password.k3s", named("NODE.node-password.k3s"));
    cluster.put("/api/v1/namespaces/kube-system/services/kube-dns", json!({ "spec": { "clusterIP": "10.43.0.10" } }));
    let plans = "plans.upgrade.cattle.io";
    cluster.put(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plans}"), named(plans));
    cluster
}

fn in_the_code() -> BTreeSet<Right> {
    Read::ALL.map(|read| read.right(NODE)).into()
}

#[tokio::test]
async fn a_check_asks_for_what_the_list_says_and_for_nothing_else() {
    let cluster = cluster();
    let (_server, api) = cluster.serve_by_token("canary-token").await;
    let gathered = api.facts(NODE, "CA", "cluster.local").await.unwrap();
    assert_eq!((gathered.unread, gathered.notes), (vec![], vec![]));
    assert_eq!(cluster.rights(), in_the_code());
    assert_eq!(cluster.writes(), [""; 0]);
}

/// A right that is missing takes its own facts away and no others, and is named as `kubectl auth can-i` takes it.
#[tokio::test]
async fn what_is_denied_is_unread_and_names_the_right() {
    let cluster = cluster();
    let (_server, api) = cluster.serve_by_token("canary-token").await;
    for read in Read::ALL {
        let right = read.right(NODE);
        cluster.deny(right.clone());
        let gathered = api.facts(NODE, "CA", "cluster.local").await.unwrap();
        cluster.allow_everything();
        let facts = gathered.facts;
        let beside = [Read::PersistentVolumes, Read::DisruptionBudgets, Read::Leases];
        if beside.contains(&read) {
            // No rule asks about pods: what could not be read beside them is told by a preview.
            assert_eq!((gathered.unread.len(), facts.pods.unwrap().unread.len()), (0, 1), "{read:?}");
        } else {
            let why: BTreeSet<&str> = gathered.unread.iter().map(|one| one.why.as_str()).collect();
            let named = format!("the right `{right}` is missing (HTTP 403)");
            assert!(why.len() == 1 && why.iter().all(|why| why.contains(&named)), "{read:?}: {why:?}");
            assert!(gathered.unread.iter().all(|one| one.fix.as_deref().unwrap().contains("docs/rbac/README.md")));
            let of_workloads = [Read::Deployments, Read::StatefulSets, Read::DaemonSets].contains(&read);
            let kept = [
                (read != Read::KubeSystem, facts.id == "ab434ebf"),
                (read != Read::Nodes, facts.nodes.len() == 1),
                (read != Read::Version, facts.version.is_some()),
                (read != Read::Readyz, facts.readiness.is_some()),
                (read != Read::Metrics, facts.deprecated_apis.is_some()),
                (read != Read::DnsService, facts.dns.is_some()),
                (!of_workloads, facts.workloads.is_some()),
                (read != Read::Pods, facts.pods.is_some()),
                (
                    !of_workloads && ![Read::Nodes, Read::UpgradePlans, Read::UpgradePlanDefinition].contains(&read),
                    facts.upgrade_tools.is_some(),
                ),
                (
                    ![Read::Nodes, Read::NodePassword].contains(&read),
                    facts.nodes.iter().any(|node| node.password == Some(true)),
                ),
            ];
            assert!(kept.iter().all(|(expected, is)| expected == is), "{read:?}: {kept:?}");
        }
        assert!(gathered.notes.iter().any(|note| note.contains(&right.to_string())), "{read:?}: {:?}", gathered.notes);
    }
}

#[test]
fn the_published_role_gives_what_a_check_asks_for_and_nothing_else() {
    assert_eq!(published(), in_the_code());
}

/// The rights in a file, each as one.
fn published() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for object in serde_saphyr::from_multiple::<Object>(PUBLISHED).unwrap() {
        let namespace = match object.kind.as_str() {
            "ClusterRole" => None,
            "Role" => object.metadata.namespace,
            _ => continue,
        };
        let namespace: Option<&'static str> = namespace.map(|name| &*name.leak());
        for rule in object.rules {
            rights.extend(rule.rights(namespace));
        }
    }
    rights
}

#[test]
fn the_roles_are_bound_to_the_account_and_to_nobody_else() {
    let objects = serde_saphyr::from_multiple::<Object>(PUBLISHED).unwrap();
    let kinds: Vec<&str> = objects.iter().map(|object| object.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
        "an object that is new here has to be looked at by a test"
    );
    for binding in objects.iter().filter(|object| object.kind.ends_with("Binding")) {
        let role = binding.kind.strip_suffix("Binding").unwrap();
        let group = "rbac.authorization.k8s.io";
        assert_eq!(binding.role_ref, json!({ "apiGroup": group, "kind": role, "name": "belay-check" }));
        assert_eq!(
            binding.subjects,
            json!([{ "kind": "ServiceAccount", "name": "belay-check", "namespace": "belay" }])
        );
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    role_ref: Value,
    #[serde(default)]
    subjects: Value,
}

#[derive(Deserialize)]
struct Metadata {
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Vec<String>,
}

impl Rule {
    fn rights(self, namespace: Option<&'static str>) -> Vec<Right> {
        let mut rights = Vec::new();
        let of = |text: &String| -> &'static str { text.clone().leak() };
        for verb in &self.verbs {
            for path in &self.paths {
                rights.push(Right { verb: of(verb), group: "", resource: of(path), namespace: None, name: None });
            }
            for (group, resource) in self.api_groups.iter().flat_map(|g| self.resources.iter().map(move |r| (g, r))) {
                let right = Right { verb: of(verb), group: of(group), resource: of(resource), namespace, name: None };
                let named = self.resource_names.iter().map(|name| Right { name: Some(name.clone()), ..right.clone() });
                if self.resource_names.is_empty() { rights.push(right.clone()) } else { rights.extend(named) }
            }
        }
        assert!(!rights.is_empty(), "a rule gives nothing");
        rights
    }
}
