use serde_json::{Value, json};

use super::*;

fn told(pods: &[Value], volumes: &[Value], budgets: &[Value], leases: &[Value]) -> NodePods {
    fn all<T: serde::de::DeserializeOwned>(of: &[Value]) -> Vec<T> {
        of.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect()
    }
    let beside = Beside { volumes: all(volumes), budgets: all(budgets), leases: all(leases) };
    beside.told("n1", &all::<Pod>(pods))
}

fn status(name: &str, restarts: u32) -> Value {
    json!({ "name": name, "restartCount": restarts, "image": "", "imageID": "", "ready": true })
}

fn pod(name: &str, owner: Option<(&str, &str)>, labels: &Value, volumes: &Value) -> Value {
    let owners = owner.map(
        |(kind, name)| json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true }]),
    );
    json!({
        "metadata": { "namespace": "shop", "name": name, "uid": "u1", "labels": labels, "ownerReferences": owners },
        "spec": { "nodeName": "n1", "containers": [], "volumes": volumes },
        "status": {
            "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [status("a", 2), status("b", 1)],
        },
    })
}

fn budget(name: &str, selector: &Value, allowed: u32) -> Value {
    json!({
        "metadata": { "namespace": "shop", "name": name }, "spec": { "minAvailable": "50%", "selector": selector },
        "status": { "disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 2 },
    })
}

#[test]
fn a_pod_is_told_by_who_makes_it_again_and_what_it_mounts() {
    let volumes = json!([
        { "name": "dev", "hostPath": { "path": "/dev/video0" } },
        { "name": "cache", "emptyDir": {} },
        { "name": "fast", "emptyDir": { "medium": "Memory" } },
    ]);
    let labels = json!({ "app": "cam", "pod-template-hash": "66d" });
    let ended = json!({ "metadata": { "namespace": "shop", "name": "done" }, "status": { "phase": "Succeeded" } });
    let mut mirror = pod("vip-n1", Some(("Node", "n1")), &json!({}), &json!([]));
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" });
    let pods = [
        pod("cam-66d-q", Some(("ReplicaSet", "cam-66d")), &labels, &volumes),
        pod("odd-q", Some(("ReplicaSet", "odd")), &labels, &json!([])),
        pod("debug", None, &json!({}), &json!([])),
        ended,
        mirror,
    ];
    let told = told(&pods, &[], &[], &[]);
    let owners: Vec<(&str, Option<&str>)> =
        told.pods.iter().map(|pod| (pod.name.as_str(), pod.owner.as_deref())).collect();
    let expected =
        [("cam-66d-q", Some("Deployment cam")), ("debug", None), ("odd-q", Some("ReplicaSet odd")), ("vip-n1", None)];
    assert_eq!(owners, expected);
    let cam = &told.pods[0];
    assert_eq!((cam.uid.as_str(), cam.restarts), ("u1", 3));
    assert!(cam.ready && !cam.is_static && told.pods[3].is_static);
    assert_eq!(
        (cam.host_paths.as_slice(), cam.empty_dirs.as_slice()),
        (&["/dev/video0".to_owned()][..], &["cache".to_owned()][..])
    );
}

#[test]
fn a_volume_binds_its_pod_by_its_kind_or_by_its_affinity() {
    let claim = |name: &str| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
    let volumes = json!([claim("local"), claim("lvm"), claim("nfs"), { "name": "scratch", "ephemeral": {} }]);
    let bound = |name: &str, claim: &str, mut spec: Value| {
        spec["claimRef"] = json!({ "namespace": "shop", "name": claim });
        json!({ "metadata": { "name": name }, "spec": spec })
    };
    let affinity = json!({ "required": { "nodeSelectorTerms": [] } });
    let volumes_of_cluster = [
        bound("pv1", "local", json!({ "hostPath": { "path": "/storage/pv1" } })),
        bound("pv2", "lvm", json!({ "csi": { "driver": "lvm", "volumeHandle": "h" }, "nodeAffinity": affinity })),
        bound("pv3", "nfs", json!({ "nfs": { "server": "s", "path": "/p" } })),
        bound("pv4", "db-0-scratch", json!({ "local": { "path": "/storage/pv4" } })),
    ];
    let told = told(&[pod("db-0", Some(("StatefulSet", "db")), &json!({}), &volumes)], &volumes_of_cluster, &[], &[]);
    let found: Vec<(&str, &str)> =
        told.pods[0].node_volumes.iter().map(|one| (one.claim.as_str(), one.path.as_str())).collect();
    assert_eq!(found, [("local", "/storage/pv1"), ("lvm", ""), ("db-0-scratch", "/storage/pv4")]);
}

#[test]
fn budgets_are_those_that_select_a_pod_of_the_node() {
    let web = pod("web-1", Some(("StatefulSet", "web")), &json!({ "app": "web" }), &json!([]));
    let budgets = [
        budget("web", &json!({ "matchLabels": { "app": "web" } }), 0),
        budget("everything", &json!({}), 1),
        budget("nothing", &Value::Null, 0),
        budget("another", &json!({ "matchLabels": { "app": "db" } }), 0),
    ];
    let told = told(&[web], &[], &budgets, &[]);
    assert_eq!(told.pods[0].budgets, ["web", "everything"]);
    let blocking: Vec<(&str, &str)> =
        told.blocking_budgets.iter().map(|one| (one.name.as_str(), one.asks.as_str())).collect();
    assert_eq!(blocking, [("web", "minAvailable 50%")]);
}

#[test]
fn a_lease_is_held_by_the_pod_whose_name_its_holder_begins_with() {
    let lease = |name: &str, holder: &str| {
        json!({
            "metadata": { "namespace": "shop", "name": name },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15 },
        })
    };
    let leases = [lease("a", "web-1_3f2a"), lease("b", "web-1"), lease("c", "web-10_1"), lease("n1", "n1")];
    let web = pod("web-1", Some(("StatefulSet", "web")), &json!({}), &json!([]));
    let mut namesake = web.clone();
    namesake["metadata"]["namespace"] = json!("default");
    let told = told(&[namesake, web], &[], &[], &leases);
    let held: Vec<&str> = told.pods[1].leases.iter().map(|held| held.lease.as_str()).collect();
    assert_eq!((held.as_slice(), told.pods[0].leases.len()), (&["shop/a", "shop/b"][..], 0), "{told:?}");
    assert_eq!(told.pods[1].leases[0].seconds, 15);
}
