//! What a run is made of.

use belay_engine::{Event, Record};
use belay_facts::{Digest, Facts, Span};
use belay_plan::{Artifact, Part, Plan, PlanRequest, StepKind, WayClass, plan};
use belay_runner::{RunDir, StateDir};
use serde_json::Value;

pub fn facts() -> Facts {
    let base: Value = serde_json::from_str(include_str!("../../../../core/checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    Facts::from_json(&facts.to_string()).unwrap()
}

pub fn made() -> Plan {
    let artifact = Artifact {
        name: "k3s".into(),
        arch: "amd64".into(),
        sha256: Digest::of(b"new"),
        size: 3,
        source: "x".into(),
        trust: "x".into(),
    };
    let request = PlanRequest {
        to: "v1.36.3+k3s1".parse().unwrap(),
        artifacts: vec![artifact],
        soak: Span::seconds(1),
        accepted: Vec::new(),
        ssh: None,
        class: WayClass::Keep,
        parts: ["etcd", "kine", "containerd"]
            .map(|name| Part { name: name.into(), from: Some("1.2".into()), to: Some("1.2".into()) })
            .into(),
        backup_to: None,
        date: "2026-11-23".parse().unwrap(),
    };
    plan(&facts(), &[], &request).unwrap()
}

/// A run that was left when everything before `last` was done, and `last` begun.
pub fn left_in(state: &StateDir, last: StepKind) -> RunDir {
    let plan = made();
    let dir = state.run(&plan.id);
    let mut journal = dir.create(&plan.to_yaml().unwrap(), &facts()).unwrap();
    let mut record = |event| {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let (run, boot) = (plan.id.clone(), "before".to_owned());
        journal.append(&Record { run, generation: 1, at, up: 1, boot, event }).unwrap();
    };
    let (digest, from, to) = (plan.digest, plan.from.clone(), plan.to.clone());
    record(Event::Open { plan: digest, from, to, by: "anna".into(), belay: "0".into() });
    for step in plan.steps() {
        record(Event::Intent { step: step.id.clone(), attempt: 1 });
        if step.kind == last {
            break;
        }
        let (step, took) = (step.id.clone(), Span::ZERO);
        record(Event::Outcome { step, ok: true, proof: Value::Null, fault: None, took });
    }
    dir
}
