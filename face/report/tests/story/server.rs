use belay_facts::{Digest, Facts, Span};
use belay_plan::{Artifact, Part, Plan, PlanRequest, WayClass};
use serde_json::json;

/// Facts of one server with SQLite, before (`35.4`) or after (`36.3`).
pub fn facts(version: &str, ready: u32) -> Facts {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let disk = json!({"path": "/var/lib/rancher/k3s", "device": 1, "free": 9_000_000_000_u64, "total": 20_000_000_000_u64,
        "inodes_free": 900_000, "read_only": false, "exchange": true, "reflink": false});
    let value = json!({
        "belay": "facts/v1", "taken_at": "2026-11-23T16:39:40Z",
        "cluster": {
            "id": "ab434ebf-2dac-4817-9897-044681445b2d", "ca": digest("ca"), "version": version,
            "readiness": {"ok": true, "failing": []},
            "nodes": [{"name": "n1", "uid": "u1", "roles": ["control-plane"], "kubelet": version, "ready": true,
                "unschedulable": false, "pressure": []}],
            "workloads": [
                {"kind": "Deployment", "namespace": "default", "name": "web", "desired": 3, "ready": ready},
                {"kind": "StatefulSet", "namespace": "shop", "name": "db", "desired": 1, "ready": 1}],
            "dns": null, "canary": {"image": "docker.io/rancher/mirrored-pause:3.6"},
            "deprecated_apis": [], "upgrade_tools": []
        },
        "nodes": [{
            "name": "n1", "role": "server", "boot_id": "b1", "arch": "amd64", "kernel": "6.1.0", "os": "Debian GNU/Linux 12",
            "init": "systemd", "cgroup": "v2", "memory": null, "data_dir": "/var/lib/rancher/k3s",
            "unit": {"name": "k3s.service", "fragment": "/etc/systemd/system/k3s.service", "drop_ins": [], "digest": digest("unit"),
                "kind": "notify", "kill_mode": "process", "active_state": "active", "sub_state": "running", "enabled": true,
                "timeout_stop": "90s", "main_pid": 812, "invocation": "i1", "restarts": 0, "exec": ["/usr/local/bin/k3s", "server"],
                "last_start": "5s"},
            "binary": {"path": "/usr/local/bin/k3s", "resolved": "/usr/local/bin/k3s", "digest": digest(version), "size": 107_667_618,
                "version": version},
            "process": {"pid": 812, "exe": "/var/lib/rancher/k3s/data/x/bin/k3s", "data_hash": Digest::of(version.as_bytes()).short(8),
                "start_ticks": 1, "resident": 1},
            "data_links": [{"name": "current", "target": format!("data/{}", Digest::of(version.as_bytes()).short(8))}],
            "config": {"files": [], "digest": null, "keys": [], "unreadable": []},
            "datastore": {"kind": "sqlite", "path": "/var/lib/rancher/k3s/server/db/state.db", "size": 4_214_784, "integrity": "ok",
                "revision": 4711, "keys": 812},
            "certificates": [], "disks": {"data": disk}, "helper": {"version": "0.1.0", "uid": 0, "open_run": null}
        }]
    });
    Facts::from_json(&value.to_string()).unwrap()
}

pub fn plan() -> Plan {
    upgrading("v1.36.3+k3s1", WayClass::Keep)
}

/// An upgrade within a minor, whose way back leaves the data.
pub fn within_a_minor() -> Plan {
    upgrading("v1.35.5+k3s1", WayClass::Binary)
}

fn upgrading(to: &str, class: WayClass) -> Plan {
    let same = |name: &str| Part { name: name.to_owned(), from: Some("1.2".into()), to: Some("1.2".into()) };
    let request = PlanRequest {
        to: to.parse().unwrap(),
        artifacts: vec![Artifact {
            name: "k3s".to_owned(),
            arch: "amd64".to_owned(),
            sha256: Digest::of(b"new"),
            size: 107_667_618,
            source: "https://github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s".to_owned(),
            trust: "sums over https".to_owned(),
        }],
        soak: Span::seconds(60),
        backup_to: None,
        accepted: vec![belay_checks::Acceptance {
            rule: "belay-unknown-release".to_owned(),
            reason: "tried on the bench".to_owned(),
            by: "mara".to_owned(),
            until: "2026-12-31".parse().unwrap(),
        }],
        ssh: None,
        class,
        parts: ["etcd", "kine", "containerd"].map(same).into(),
        date: "2026-11-23".parse().unwrap(),
    };
    belay_plan::plan(&facts("v1.35.4+k3s1", 3), &[], &request).unwrap()
}
