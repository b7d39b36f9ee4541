#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use belay_facts::{CopyKind, DatastoreKind, Digest, Facts, Span};
use belay_plan::{GateName, Goal, Lint, Plan, Reached, Refusal, RestoreSource, StepKind, WayClass, restore_plan};

fn facts() -> Facts {
    let base: serde_json::Value = serde_json::from_str(include_str!("../../checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    Facts::from_json(&facts.to_string()).unwrap()
}

fn source() -> RestoreSource {
    RestoreSource {
        what: CopyKind::Kept,
        run: "2026-11-22-aaaa".into(),
        taken_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        revision: 4711,
        path: "/var/lib/rancher/k3s/server.belay-2026-11-22-aaaa".into(),
        binary: "/usr/local/bin/.k3s.belay-2026-11-22-aaaa".into(),
        binary_digest: Digest::of(b"old"),
        binary_size: 70_000_000,
    }
}

fn made(datastore: DatastoreKind) -> Result<Plan, Refusal> {
    let to = "v1.34.1+k3s1".parse().unwrap();
    restore_plan(&facts(), to, datastore, source(), (None, None), Span::seconds(20), "2026-11-24".parse().unwrap())
}

#[test]
fn a_restore_backs_the_present_up_and_leads_back_to_it_like_an_upgrade() {
    use StepKind::{
        ArmGuard, Backup, Commit, Fence, Gate, Keep, ProveBackup, PutBack, Rebuild, Release, Restore, Soak, Stage,
        Start, Stop,
    };
    let plan = made(DatastoreKind::Sqlite).unwrap();
    assert_eq!(plan.lint(), []);
    assert_eq!(Plan::from_yaml(&plan.to_yaml().unwrap()).unwrap(), plan);
    let kinds: Vec<StepKind> = plan.steps().map(|step| step.kind).collect();
    assert_eq!(
        kinds,
        [Fence, Stage, Backup, ProveBackup, Rebuild, ArmGuard, Stop, Keep, Restore, Start, Gate, Soak, Commit]
    );
    let back: Vec<StepKind> = plan.inverse(Reached::Started).iter().map(|step| step.kind).collect();
    assert_eq!(back, [Stop, PutBack, Start, Gate, Release]);
    let gate = plan.steps().find(|step| step.kind == Gate).unwrap();
    assert!(gate.gates.contains(&GateName::Identity) && gate.not_asked.contains(&GateName::Workloads));
    assert_eq!(plan.steps().find(|step| step.kind == Soak).unwrap().length, Some(Span::seconds(20)));
}

#[test]
fn a_plan_restores_something_exactly_when_that_is_what_it_is_for() {
    let mut plan = made(DatastoreKind::Sqlite).unwrap();
    plan.way_back.class = WayClass::Binary;
    assert!(plan.lint().contains(&Lint::WrongClass(WayClass::Binary)), "other data are live");
    plan.restore = None;
    assert!(plan.lint().contains(&Lint::RestoresNothing));
    plan.restore = Some(source());
    plan.goal = Goal::Upgrade;
    assert!(plan.lint().contains(&Lint::RestoresNothing));
}

#[test]
fn another_kind_of_datastore_is_not_restored() {
    let refused = made(DatastoreKind::Etcd).unwrap_err();
    assert!(matches!(refused, Refusal::Datastore { .. }), "{refused}");
}
