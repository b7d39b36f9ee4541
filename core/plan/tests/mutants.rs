//! Bugs of the planner that are switched on, and found by the lint. A process of its own: the switch is process-wide.
#![cfg(feature = "mutants")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail; the exemption in clippy.toml reaches only functions marked as tests"
)]

use belay_facts::{Digest, Facts, Mutant, Span, mutate};
use belay_plan::{Artifact, Lint, PlanRequest, WayClass, plan};

fn lints() -> Vec<Lint> {
    let base: serde_json::Value = serde_json::from_str(include_str!("../../checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    let facts = Facts::from_json(&facts.to_string()).unwrap();
    let artifact = Artifact {
        name: "k3s".into(),
        arch: "amd64".into(),
        sha256: Digest::of(b"new"),
        size: 1,
        source: "x".into(),
        trust: "x".into(),
    };
    let request = PlanRequest {
        to: "v1.36.3+k3s1".parse().unwrap(),
        artifacts: vec![artifact],
        soak: Span::seconds(60),
        accepted: Vec::new(),
        ssh: None,
        class: WayClass::Keep,
        parts: Vec::new(),
        backup_to: None,
        date: "2026-11-23".parse().unwrap(),
    };
    plan(&facts, &[], &request).unwrap().lint()
}

#[test]
fn a_short_lease_is_found_by_the_lint() {
    assert_eq!(lints(), []);
    mutate(Some(Mutant::ShortLease));
    let found = lints();
    mutate(None);
    assert!(matches!(found.as_slice(), [Lint::ShortLease { .. }]), "{found:?}");
}
