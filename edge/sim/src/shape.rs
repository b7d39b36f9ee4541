use belay_facts::{CopyKind, DatastoreKind, Digest, Facts, Span};
use belay_plan::{Artifact, Part, Plan, PlanRequest, RestoreSource, WayClass, plan, restore_plan};

/// One kind of run: a plan of the real planner, and where its coordinator lives.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: String,
    pub plan: Plan,
    pub datastore: DatastoreKind,
    /// Coordinator and node are the same machine.
    pub local: bool,
    /// The upgrade migrates the data: what it wrote is not for the version before.
    pub migrates: bool,
}

const FACTS: &str = include_str!("../../../core/checks/fixtures/base.json");

fn facts(datastore: DatastoreKind) -> Option<Facts> {
    let base: serde_json::Value = serde_json::from_str(FACTS).ok()?;
    let mut facts = base.get("facts").cloned().unwrap_or(base);
    if datastore == DatastoreKind::Etcd {
        let node = facts.get_mut("nodes")?.get_mut(0)?;
        *node.get_mut("datastore")? = serde_json::json!({
            "kind": "etcd", "path": "/var/lib/rancher/k3s/server/db/etcd", "size": 22_582_912, "integrity": "ok",
            "revision": 48_211, "keys": 913,
        });
    }
    Facts::from_json(&facts.to_string()).ok()
}

fn upgrade(facts: &Facts, to: &str, class: WayClass, copies: bool) -> Option<Plan> {
    let artifact = Artifact {
        name: "k3s".into(),
        arch: "amd64".into(),
        sha256: Digest::of(b"new"),
        size: 107_000_000,
        source: "sim".into(),
        trust: "sim".into(),
    };
    let request = PlanRequest {
        to: to.parse().ok()?,
        artifacts: vec![artifact],
        soak: Span::seconds(60),
        accepted: Vec::new(),
        ssh: None,
        class,
        parts: ["etcd", "kine", "containerd"]
            .map(|name| Part { name: name.into(), from: Some("1.2".into()), to: Some("1.2".into()) })
            .into(),
        backup_to: copies.then(|| "/mnt/usb".to_owned()),
        date: jiff::civil::Date::constant(2026, 11, 23),
    };
    plan(facts, &[], &request).ok()
}

fn restore(facts: &Facts, datastore: DatastoreKind, what: CopyKind) -> Option<Plan> {
    let source = RestoreSource {
        what,
        run: "2026-11-22-aaaa".into(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        revision: 7,
        path: "/x".into(),
        binary: "/y".into(),
        binary_digest: Digest::of(b"new"),
        binary_size: 1,
    };
    let date = jiff::civil::Date::constant(2026, 11, 24);
    restore_plan(facts, "v1.34.1+k3s1".parse().ok()?, datastore, source, (None, None), Span::seconds(20), date).ok()
}

impl Shape {
    /// Every shape, made from generated facts: datastore, class, goal, copies, and where the coordinator lives.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for datastore in [DatastoreKind::Sqlite, DatastoreKind::Etcd] {
            let Some(facts) = facts(datastore) else { continue };
            let plans = [
                ("upgrade", upgrade(&facts, "v1.36.3+k3s1", WayClass::Keep, false), true),
                ("upgrade with a copy", upgrade(&facts, "v1.36.3+k3s1", WayClass::Keep, true), true),
                ("upgrade of class binary", upgrade(&facts, "v1.35.5+k3s1", WayClass::Binary, false), false),
                ("rollback after the commit", restore(&facts, datastore, CopyKind::Kept), true),
                ("restore of a backup", restore(&facts, datastore, CopyKind::Backup), true),
            ];
            for (name, plan, migrates) in plans {
                let Some(plan) = plan else { continue };
                for local in [true, false] {
                    let place = if local { "on the node" } else { "over a link" };
                    let name = format!("{name}, {datastore:?}, {place}").to_lowercase();
                    all.push(Self { name, plan: plan.clone(), datastore, local, migrates });
                }
            }
        }
        all
    }
}
