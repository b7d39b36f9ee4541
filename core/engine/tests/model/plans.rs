use belay_facts::{CopyKind, DatastoreKind, Digest, Facts, Span};
use belay_plan::{Artifact, Part, Plan, PlanRequest, RestoreSource, StepKind, WayClass, plan, restore_plan};

fn facts() -> Facts {
    let base: serde_json::Value = serde_json::from_str(include_str!("../../../checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    Facts::from_json(&facts.to_string()).unwrap()
}

pub fn made() -> Plan {
    upgrading("v1.36.3+k3s1", WayClass::Keep)
}

/// The plan of an upgrade within a minor, whose way back leaves the data.
pub fn binary() -> Plan {
    upgrading("v1.35.5+k3s1", WayClass::Binary)
}

fn upgrading(to: &str, class: WayClass) -> Plan {
    let facts = facts();
    let artifact = Artifact {
        name: "k3s".into(),
        arch: "amd64".into(),
        sha256: Digest::of(b"new"),
        size: 1,
        source: "x".into(),
        trust: "x".into(),
    };
    let request = PlanRequest {
        to: to.parse().unwrap(),
        artifacts: vec![artifact],
        soak: Span::seconds(1),
        accepted: Vec::new(),
        ssh: None,
        class,
        parts: ["etcd", "kine", "containerd"]
            .map(|name| Part { name: name.into(), from: Some("1.2".into()), to: Some("1.2".into()) })
            .into(),
        backup_to: None,
        date: "2026-11-23".parse().unwrap(),
    };
    plan(&facts, &[], &request).unwrap()
}

/// The plan that takes a committed upgrade back.
pub fn restoring() -> Plan {
    let source = RestoreSource {
        what: CopyKind::Kept,
        run: "2026-11-22-aaaa".into(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        revision: 7,
        path: "/x".into(),
        binary: "/y".into(),
        binary_digest: Digest::of(b"new"),
        binary_size: 1,
    };
    let to = "v1.34.1+k3s1".parse().unwrap();
    restore_plan(
        &facts(),
        to,
        DatastoreKind::Sqlite,
        source,
        (None, None),
        Span::seconds(20),
        "2026-11-24".parse().unwrap(),
    )
    .unwrap()
}

/// The step at which a schedule of nothing but good fate is at that place.
pub fn at(plan: &Plan, kind: StepKind) -> usize {
    plan.steps().position(|step| step.kind == kind).unwrap()
}
