use std::sync::Arc;
use std::time::Duration;

use belay_cluster::ClusterError;
use belay_facts::{Canary, Digest, DnsService, PodPart, Readiness};
use serde_json::{Value, json};

use crate::fake_cluster::{FakeCluster, failure};

const PODS: &str = "/api/v1/namespaces/kube-system/pods";
const MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
const LONG: Duration = Duration::from_secs(60);

fn cluster() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.says("/version", 200, r#"{"gitVersion":"v1.36.1+k3s1"}"#);
    cluster.put("/api/v1/namespaces/kube-system", json!({ "metadata": { "name": "kube-system", "uid": "ab434ebf" } }));
    cluster.put(
        "/api/v1/nodes/n1",
        json!({
            "metadata": { "name": "n1", "uid": "8d398b33" },
            "status": { "images": [{ "names": ["docker.io/rancher/mirrored-pause:3.6"] }] },
        }),
    );
    cluster
}

/// Nodes are read from the cache of the API server; what follows is read at the revision of its token.
const FIRST_PAGE: &str = "/api/v1/nodes?&resourceVersion=0&resourceVersionMatch=NotOlderThan";

fn list(items: &[Value], token: &str) -> String {
    json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "9", "continue": token }, "items": items })
        .to_string()
}

fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

#[tokio::test]
async fn facts_without_what_could_not_be_read() {
    let cluster = cluster();
    cluster.says("/readyz?verbose", 500, "[+]ping ok\n[-]etcd failed: reason withheld\n");
    cluster.says("/metrics", 500, "broken");
    cluster.put("/api/v1/namespaces/kube-system/services/kube-dns", json!({ "spec": { "clusterIP": "10.43.0.10" } }));
    cluster.put("/apis/apps/v1/deployments/web", json!({
        "metadata": { "name": "web", "namespace": "shop" }, "spec": { "replicas": 3, "selector": {}, "template": {} },
        "status": { "readyReplicas": 2 },
    }));
    cluster.put("/apis/apps/v1/deployments/coredns", json!({
        "metadata": { "name": "coredns", "namespace": "kube-system" }, "status": { "readyReplicas": 1 }, "spec": { "selector": {},
            "template": { "spec": { "containers": [{ "name": "coredns", "image": "rancher/mirrored-coredns-coredns:1.14.2" }] } } },
    }));
    let (_server, api) = cluster.serve().await;
    let gathered = api.facts("n1", "CA", "cluster.local").await.unwrap();
    let facts = gathered.facts;
    assert_eq!((facts.id.as_str(), facts.ca), ("ab434ebf", Digest::of(b"CA")));
    assert_eq!(facts.version.unwrap().to_string(), "v1.36.1+k3s1");
    assert_eq!(facts.readiness, Some(Readiness { ok: false, failing: vec!["etcd".into()] }));
    assert_eq!(facts.dns, Some(DnsService { address: "10.43.0.10".into(), domain: "cluster.local".into() }));
    assert_eq!(facts.canary, Some(Canary { image: "docker.io/rancher/mirrored-pause:3.6".into() }));
    let workloads = facts.workloads.unwrap();
    assert_eq!((workloads.len(), workloads[1].desired, workloads[1].ready), (2, 3, 2));
    assert_eq!(workloads[0].images, ["rancher/mirrored-coredns-coredns:1.14.2"]);
    assert!(workloads[1].images.is_empty());
    assert_eq!(facts.upgrade_tools, Some(vec![]));
    assert_eq!(facts.deprecated_apis, None);
    assert_eq!(gathered.notes, ["asking /metrics: HTTP 500: broken"]);
}

/// What is read for a preview is no reason for a check or a plan to fail.
#[tokio::test]
async fn pods_are_told_without_what_could_not_be_read_beside_them() {
    let pods = "/api/v1/pods?&fieldSelector=spec.nodeName%3Dn1&resourceVersion=0&resourceVersionMatch=NotOlderThan";
    let pod = json!({ "metadata": { "namespace": "shop", "name": "web" }, "spec": { "containers": [] } });
    let cluster = cluster();
    cluster.says(pods, 200, list(&[pod], ""));
    cluster.says("/apis/policy/v1/poddisruptionbudgets", 500, "broken");
    let (_server, api) = cluster.serve().await;
    let gathered = api.facts("n1", "CA", "cluster.local").await.unwrap();
    let told = gathered.facts.pods.unwrap();
    assert_eq!((told.node.as_str(), told.pods.len(), told.unread.as_slice()), ("n1", 1, &[PodPart::Budgets][..]));
    assert!(
        gathered.notes.contains(&"listing the disruption budgets: HTTP 500: broken".to_owned()),
        "{:?}",
        gathered.notes
    );

    cluster.says(pods, 403, "no");
    let gathered = api.facts("n1", "CA", "cluster.local").await.unwrap();
    assert_eq!(gathered.facts.pods, None);
    assert!(gathered.notes.iter().any(|note| note.starts_with("listing the pods of the node")), "{:?}", gathered.notes);
}

#[tokio::test]
async fn an_unknown_upgrade_tool_is_not_none_of_them() {
    let cluster = cluster();
    let (code, text) = failure(500, "InternalError");
    cluster.says("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/plans.upgrade.cattle.io", code, text);
    let (_server, api) = cluster.serve().await;
    assert_eq!(api.facts("n1", "CA", "cluster.local").await.unwrap().facts.upgrade_tools, None);
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let cluster = cluster();
    cluster.says(FIRST_PAGE, 200, list(&[named("n3"), named("n2")], "more"));
    cluster.says("/api/v1/nodes?&limit=500&continue=more", 200, list(&[named("n1")], ""));
    let (_server, api) = cluster.serve().await;
    let identity = api.identity().await.unwrap();
    assert_eq!((identity.id.as_str(), identity.nodes), ("ab434ebf", vec!["n1".into(), "n2".into(), "n3".into()]));
}

#[tokio::test]
async fn a_list_whose_pages_expire_again_and_again_is_an_error_and_not_half_a_list() {
    let cluster = cluster();
    cluster.says(FIRST_PAGE, 200, list(&[named("n1")], "old"));
    let (code, text) = failure(410, "Expired");
    cluster.says("/api/v1/nodes?&limit=500&continue=old", code, text);
    let (_server, api) = cluster.serve().await;
    assert!(matches!(api.identity().await.unwrap_err(), ClusterError::Status { status: 410, .. }));
}

#[tokio::test]
async fn the_lease_and_the_kubelet_speak_for_the_node() {
    let cluster = cluster();
    let (_server, api) = cluster.serve().await;
    assert_eq!(api.lease_renewed("n1").await.unwrap(), None);
    assert_eq!(api.kubelet_version("n1").await.unwrap(), None);
    assert!(!api.node_ready("n1").await.unwrap().ready);
    cluster.put(
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
        json!({
            "metadata": { "name": "n1" }, "spec": { "renewTime": "2026-11-23T17:12:11.123456Z" },
        }),
    );
    cluster.put("/api/v1/nodes/n1", json!({ "metadata": { "name": "n1" }, "status": {
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "2026-11-23T17:12:11Z" },
            { "type": "DiskPressure", "status": "True" }],
        "nodeInfo": { "kubeletVersion": "v1.36.1+k3s1", "architecture": "", "bootID": "", "containerRuntimeVersion": "",
            "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "" },
    } }));
    assert_eq!(api.lease_renewed("n1").await.unwrap().unwrap().to_string(), "2026-11-23T17:12:11.123456Z");
    assert_eq!(api.kubelet_version("n1").await.unwrap().as_deref(), Some("v1.36.1+k3s1"));
    let ready = api.node_ready("n1").await.unwrap();
    assert!(ready.ready && ready.reason == "KubeletReady" && ready.heartbeat.is_some());
    assert_eq!(api.node_pressure("n1").await.unwrap(), ["DiskPressure"]);
    assert!(api.node_ready("n2").await.unwrap_err().is_absent());
}

#[tokio::test]
async fn a_write_is_read_back_and_leaves_nothing() {
    let cluster = cluster();
    let path = format!("{MAPS}/belay-r1-gate");
    cluster.put(&path, named("belay-r1-gate"));
    let (_server, api) = cluster.serve().await;
    let outcome = api.write_and_read("r1").await.unwrap();
    assert!(outcome.read_back && outcome.gone && outcome.revision > 0);
    assert!(!cluster.has(&path));
    assert_eq!(cluster.writes(), [format!("DELETE {path}"), format!("POST {MAPS}"), format!("DELETE {path}")]);
    assert!(api.revision().await.unwrap() >= outcome.revision);
}

#[tokio::test]
async fn a_write_whose_read_says_something_else_is_told_and_deleted() {
    let cluster = cluster();
    let path = format!("{MAPS}/belay-r1-gate");
    let (_server, api) = cluster.serve().await;
    cluster.says(&path, 200, json!({ "metadata": { "name": "belay-r1-gate", "uid": "another" } }).to_string());
    let outcome = api.write_and_read("r1").await.unwrap();
    assert!(!outcome.read_back && !outcome.gone);
}

#[tokio::test]
async fn a_canary_that_runs_answers_and_goes_and_an_old_one_goes_first() {
    let cluster = cluster();
    let path = format!("{PODS}/belay-canary-r1");
    cluster.put(&path, named("belay-canary-r1"));
    cluster.kubelet_says(json!({ "phase": "Running",
        "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": "True" }] }));
    cluster.says(&format!("{path}/log"), 200, "");
    let (_server, api) = cluster.serve().await;
    let outcome = api.canary_pod("r1", "n1", "pause:3.6", LONG).await;
    assert!(outcome.scheduled && outcome.running && outcome.ready && outcome.answered && outcome.gone, "{outcome:?}");
    assert_eq!(outcome.message, "");
    assert!(!cluster.has(&path));
    assert_eq!(cluster.writes(), [format!("DELETE {path}"), format!("POST {PODS}"), format!("DELETE {path}")]);
}

#[tokio::test]
async fn a_canary_whose_image_is_not_there_says_so_at_once() {
    let cluster = cluster();
    cluster.kubelet_says(json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }],
        "containerStatuses": [{ "name": "canary", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ErrImageNeverPull" } } }] }));
    let (_server, api) = cluster.serve().await;
    let outcome = api.canary_pod("r1", "n1", "pause:3.6", LONG).await;
    assert!(outcome.scheduled && !outcome.running && !outcome.answered && outcome.gone, "{outcome:?}");
    assert_eq!(outcome.message, "ErrImageNeverPull");
}

#[tokio::test]
async fn a_canary_that_no_kubelet_takes_is_removed_without_the_kubelet() {
    let cluster = cluster();
    let path = format!("{PODS}/belay-canary-r1");
    let (_server, api) = cluster.serve().await;
    let outcome = api.canary_pod("r1", "n1", "pause:3.6", Duration::from_millis(300)).await;
    assert!(!outcome.scheduled && !outcome.answered && outcome.gone, "{outcome:?}");
    assert!(outcome.message.starts_with("not done within 300ms"), "{outcome:?}");
    assert!(!cluster.has(&path));
    assert_eq!(cluster.writes().iter().filter(|write| write.starts_with("DELETE")).count(), 3);
}

#[tokio::test]
async fn cleanup_names_what_it_removed_and_touches_no_other_run() {
    let cluster = cluster();
    cluster.kubelet_says(json!({}));
    for name in ["belay-canary-r1", "belay-canary-r1-after", "belay-canary-r2"] {
        cluster.put(&format!("{PODS}/{name}"), named(name));
    }
    cluster.put(&format!("{MAPS}/belay-r1-gate"), named("belay-r1-gate"));
    let (_server, api) = cluster.serve().await;
    let removed = api.cleanup("r1").await.removed;
    let pods = ["Pod kube-system/belay-canary-r1", "Pod kube-system/belay-canary-r1-after"];
    assert_eq!(removed, ["ConfigMap kube-system/belay-r1-gate", pods[0], pods[1]]);
    assert!(cluster.has(&format!("{PODS}/belay-canary-r2")));
    let again = api.cleanup("r1").await;
    assert!(again.removed.is_empty() && again.stopped.is_none(), "{again:?}");
    // What was removed is told whatever happens after it.
    cluster.put(&format!("{MAPS}/belay-r1-gate"), named("belay-r1-gate"));
    cluster.says("/apis/k3s.cattle.io/v1/etcdsnapshotfiles", 500, "broken");
    let cut = api.cleanup("r1").await;
    assert_eq!(cut.removed, ["ConfigMap kube-system/belay-r1-gate"]);
    assert!(cut.stopped.unwrap().to_string().contains("the records of etcd's snapshots"));
    assert!(cluster.has(&format!("{PODS}/belay-canary-r2")));
}

/// Found on real K3s, whose disk was full: it keeps a record of each snapshot that it could not write.
#[tokio::test]
async fn the_record_of_a_snapshot_that_failed_outlived_its_run() {
    let cluster = cluster();
    cluster.kubelet_says(json!({}));
    let path = |snapshot: &str| format!("/apis/k3s.cattle.io/v1/etcdsnapshotfiles/local-{snapshot}");
    let full = json!({ "message": "no space left on device" });
    let (ours, stored) = ("belay-r1-n1-1795812527", "belay-r1-n1-1795812528");
    let others = ["belay-r2-n1-1795812527", "etcd-snapshot-n1-1795812527"];
    for (snapshot, error) in [(ours, &full), (stored, &Value::Null), (others[0], &full), (others[1], &full)] {
        cluster.put(
            &path(snapshot),
            json!({
                "metadata": { "name": format!("local-{snapshot}") },
                "spec": { "snapshotName": snapshot },
                "status": { "error": error },
            }),
        );
    }
    let (_server, api) = cluster.serve().await;
    assert_eq!(api.cleanup("r1").await.removed, [format!("ETCDSnapshotFile local-{ours}")]);
    assert!(!cluster.has(&path(ours)));
    assert!([stored, others[0], others[1]].iter().all(|snapshot| cluster.has(&path(snapshot))));
}
