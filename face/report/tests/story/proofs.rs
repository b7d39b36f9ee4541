use belay_facts::Digest;
use belay_plan::GateName;
use serde_json::{Value, json};

pub fn answer(gate: GateName) -> (&'static str, Value) {
    match gate {
        GateName::Identity => {
            ("It is the same cluster, CA and nodes.", json!({"cluster": "ab434ebf", "nodes": ["n1"]}))
        }
        GateName::Invocation => {
            ("Started once; what runs is what was staged.", json!({"invocation": "i2", "restarts": 0}))
        }
        GateName::Readyz => ("/readyz says ok.", json!({"failing": []})),
        GateName::Kubelet => {
            ("The lease was renewed, and the kubelet reports its version.", json!({"lease_renewed": true}))
        }
        GateName::Datastore => ("A write came back as it was written.", json!({"revision": 4720})),
        GateName::CanaryPod => ("A new pod was scheduled and answered.", json!({"node": "n1", "ready_after": "3s"})),
        GateName::Workloads => ("2 of 2 workloads are as ready as before.", json!({"worse": []})),
        GateName::Probe => ("No further outage.", json!({"outages": 1})),
        GateName::Dns => ("The cluster's DNS answers.", Value::Null),
    }
}

pub fn proof(step: &str) -> Value {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    match step.rsplit('.').next().unwrap() {
        "fence" => {
            json!({"generation": 7, "boot-id": "b1", "interlock": "/etc/systemd/system/k3s.service.d/50-belay-interlock.conf", "reserved": 67_108_864})
        }
        "stage" => {
            json!({"slot": "/usr/local/bin/.k3s.belay-2026-11-23", "digest": digest("new"), "version": "v1.36.3+k3s1",
            "data-hash": "4f1c", "inner": digest("inner"), "extracted-before": false})
        }
        "backup" => json!({"path": "/var/lib/belay/node/backups/2026-11-23", "bytes": 112_000_000}),
        "prove-backup" => {
            json!({"path": "/var/lib/belay/node/backups/2026-11-23", "kind": "sqlite", "taken-at-unix": 1_795_452_014,
            "size": 4_214_784, "digest": digest("db"), "integrity": "ok", "revision": 4711, "keys": 812, "root": digest("root"),
            "files": [["token", digest("token")], ["tls/server-ca.crt", digest("tls")]], "level": "readable"})
        }
        "arm-guard" => {
            json!({"lease": "210s", "timer": "/etc/systemd/system/belay-guard.timer", "boot-id": "b1"})
        }
        "stop" => json!({"active-state": "inactive", "invocation": "i1", "boot-id": "b1", "took": "2100ms"}),
        "keep" => {
            json!({"path": "/var/lib/rancher/k3s/server.belay-2026-11-23", "server-inode": 11, "keep-inode": 12, "boot-id": "b1",
            "invocation": "i1", "mark": {"files": [["db/state.db", 4_214_784, 1_795_452_020_000_000_000_i64, digest("db")]]},
            "revision": 4718, "bytes": 4_630_000, "links": [], "took": "131ms"})
        }
        "swap" | "swap-back" => {
            json!({"path": "/usr/local/bin/k3s", "digest": digest("new"), "slot": "/usr/local/bin/.k3s.belay-2026-11-23"})
        }
        "start" => json!({"invocation": "i2", "main-pid": 1412, "boot-id": "b1", "took": "5200ms"}),
        "put-back" => {
            json!({"server-inode": 12, "abandoned": "/var/lib/rancher/k3s/server.belay-abandoned", "digest": digest("old"),
            "revision": 5779, "kept-revision": 4718, "abandoned-revision": 4779, "links": [{"name": "current", "target": "data/35"}],
            "carried": ["manifests/mine.yaml"], "lost-complete": true, "lost": [
                {"resource": "configmaps", "namespace": "default", "name": "settings", "change": "changed", "key": "/registry/configmaps/default/settings"},
                {"resource": "secrets", "namespace": "shop", "name": "db-login", "change": "created", "key": "/registry/secrets/shop/db-login"},
                {"resource": "pods", "namespace": "default", "name": "belay-canary", "change": "came-and-went", "key": "/registry/pods/default/belay-canary"}],
            "uncounted": {"leases": 14, "events": 9}, "took": "220ms"})
        }
        "commit" | "release" => {
            json!({"stays": ["/var/lib/rancher/k3s/server.belay-2026-11-23", "/usr/local/bin/.k3s.belay-2026-11-23"]})
        }
        other => panic!("no proof for {other}"),
    }
}
