//! Clean clusters of every kind: nothing blocks, nothing is unknown. False alarms are worse than gaps.

use belay_checks::{Severity, Verdict, blocks, check};
use serde_json::{Value as Json, json};

use crate::fixture::{Fixture, knowledge, policy};

/// From → to, each a step that Belay would recommend: the last patch of a minor, or past the etcd that a step asks for.
const STEPS: [(&str, &str); 5] = [
    ("v1.33.10+k3s1", "v1.33.13+k3s2"),
    ("v1.33.13+k3s2", "v1.34.12+k3s1"),
    ("v1.34.12+k3s1", "v1.35.9+k3s1"),
    ("v1.35.9+k3s1", "v1.36.5+k3s1"),
    ("v1.36.5+k3s1", "v1.37.1+k3s1"),
];

/// What ordinary people write into config.yaml.
fn options(which: usize) -> Json {
    let key = |key: &str, values: &[&str]| json!({"key": key, "values": values, "source": "/etc/rancher/k3s/config.yaml", "line": 1, "append": false});
    let keys = match which {
        0 => vec![],
        1 => vec![
            key("disable", &["traefik", "servicelb"]),
            key("tls-san", &["k3s.example"]),
            key("write-kubeconfig-mode", &["0600"]),
        ],
        2 => vec![
            key("kubelet-arg", &["max-pods=50", "feature-gates=ContextualLogging=true", "fail-cgroupv1=false"]),
            key("kube-apiserver-arg", &["audit-log-maxage=30", "profiling=false"]),
            key("kube-controller-manager-arg", &["node-monitor-grace-period=20s"]),
            key("node-ip", &["10.77.0.11"]),
        ],
        _ => vec![
            key("flannel-backend", &["wireguard-native"]),
            key("secrets-encryption", &["true"]),
            key("cluster-cidr", &["10.52.0.0/16"]),
            key("node-label", &["zone=a"]),
            key("kubelet-arg", &["fail-cgroupv1=false"]),
        ],
    };
    json!(keys)
}

/// Machines of people: arch, kernel, os, cgroup, memory.
fn machine(which: usize) -> Json {
    let (arch, kernel, os, cgroup, memory) = match which {
        0 => ("amd64", "6.1.0-28-amd64", "Debian GNU/Linux 12 (bookworm)", "v2", 8_u64 << 30),
        1 => ("arm64", "6.6.51+rpt-rpi-v8", "Debian GNU/Linux 12 (bookworm)", "v2", 4 << 30),
        2 => ("amd64", "5.15.0-91-generic", "Ubuntu 22.04.4 LTS", "v2", 16 << 30),
        3 => ("amd64", "4.18.0-553.el8_10.x86_64", "Rocky Linux 8.10 (Green Obsidian)", "v1", 8 << 30),
        _ => ("amd64", "5.14.0-503.el9.x86_64", "Red Hat Enterprise Linux 9.5 (Plow)", "v2", 8 << 30),
    };
    let memory = json!({"total": memory, "available": memory / 2});
    // What a card takes to flush, and who writes rules of packets, is as different as they are.
    let flush = ["1ms", "38ms", "0s", "4ms", "9ms"].get(which).copied().unwrap_or("2ms");
    let firewall = match which {
        1 => json!({"iptables": "legacy", "legacy_tables": ["filter", "mangle", "nat"], "fronts": []}),
        2 => json!({"iptables": "nft", "legacy_tables": [], "fronts": ["ufw"]}),
        // K3s loads the modules, and this old kernel makes their tables with that.
        3 => json!({"iptables": "nft", "legacy_tables": ["filter", "nat"], "fronts": []}),
        4 => json!({"iptables": "none", "legacy_tables": [], "fronts": ["firewalld"]}),
        _ => json!({"iptables": "nft", "legacy_tables": [], "fronts": []}),
    };
    json!({"arch": arch, "kernel": kernel, "os": os, "cgroup": cgroup, "memory": memory,
        "disks": {"data": {"flush": flush}}, "around": {"firewall": firewall}})
}

fn etcd(version: &str, minor: &str) -> Json {
    json!({"kind": "etcd", "path": "/var/lib/rancher/k3s/server/db/etcd", "size": 20_000_000,
        "growth": {"bytes": 1_200_000, "over": "60h"}, "etcd": {
        "cluster": "a7f3c36c4b26e66f", "server": version, "cluster_version": minor, "storage": minor,
        "members": [{"id": "252902638f78db76", "name": "n1-1fa1acb2", "learner": false}],
        "alarms": [], "healthy": true, "leader": true, "quota": 2_147_483_648_u64, "in_use": 9_929_792, "sync_99": "16ms",
    }})
}

fn cluster(step: (&str, &str), datastore: bool, which: usize) -> Fixture {
    let mut node = machine(which % 5);
    let cgroup_v1 = node["cgroup"] == "v1";
    // cgroup v1 is no clean host for 1.35 and later unless the kubelet is told to take it, and this old kernel has no wireguard.
    let option = if cgroup_v1 { 2 } else { which % 4 };
    node["config"] = json!({"keys": options(option)});
    node["binary"] = json!({"version": step.0});
    if datastore {
        let etcd_of = knowledge().releases.look_up(&step.0.parse().unwrap()).etcd.unwrap();
        let minor = format!("{}.0", etcd_of.rsplit_once('.').unwrap().0);
        node["datastore"] = etcd(&etcd_of, &minor);
    }
    let roles = if datastore { json!(["control-plane", "etcd"]) } else { json!(["control-plane"]) };
    let kube = json!({"name": "n1", "uid": "u1", "roles": roles, "kubelet": step.0, "ready": true, "unschedulable": false,
        "pressure": [], "certificates": [], "encryption": "", "runtime": "containerd://2.1.4-k3s1"});
    let workload = |name: &str| {
        json!({"kind": "Deployment", "namespace": "kube-system", "name": name, "desired": 1, "ready": 1,
            "images": [format!("rancher/mirrored-{name}:1")]})
    };
    let workloads: Vec<Json> = ["coredns", "metrics-server", "local-path-provisioner", "traefik"].map(workload).into();
    Fixture::patched(json!({
        "node": node,
        "cluster": {"version": step.0, "nodes": [kube], "workloads": workloads},
        "edge": {"from": step.0, "to": step.1},
    }))
}

#[test]
fn fifty_clean_clusters_give_no_blocking_finding_and_nothing_unknown() {
    let knowledge = knowledge();
    let mut seen = 0;
    for (index, step) in STEPS.into_iter().enumerate() {
        for datastore in [false, true] {
            for which in 0..5 {
                let fixture = cluster(step, datastore, which + index);
                let findings = check(&fixture.facts(), &fixture.edge, knowledge, &policy(vec![]));
                let what = format!("{} → {} etcd: {datastore} machine {which}", step.0, step.1);
                assert!(!blocks(&findings), "{what}: {findings:#?}");
                let unknown: Vec<_> = findings.iter().filter(|f| f.verdict == Verdict::Unknown).collect();
                assert!(unknown.is_empty(), "{what}: {unknown:#?}");
                let warn: Vec<_> =
                    findings.iter().filter(|f| f.severity == Severity::Warn).map(|f| f.rule.as_str()).collect();
                // What is known about a release is no false alarm; everything else would be.
                let about_release = ["belay-release-hazard", "belay-release-end-of-life", "belay-running-end-of-life"];
                let alarms: Vec<_> = warn
                    .iter()
                    .filter(|rule| !about_release.contains(rule) && !rule.starts_with("belay-cve-"))
                    .collect();
                assert!(alarms.is_empty(), "{what}: {alarms:?}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 50);
}
