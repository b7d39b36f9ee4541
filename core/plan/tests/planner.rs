//! The planner over a healthy server: determinism, digest, order, staleness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail; the exemption in clippy.toml reaches only functions marked as tests"
)]

use belay_checks::{Finding, Severity, Verdict};
use belay_facts::{DatastoreKind, Digest, Facts, Span};
use belay_plan::{
    Artifact, GateName, Goal, Lint, Part, Plan, PlanError, PlanRequest, Reached, Refusal, StepKind, WayClass,
    backup_plan, plan,
};
use proptest::prelude::*;

fn facts() -> Facts {
    let base: serde_json::Value = serde_json::from_str(include_str!("../../checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    Facts::from_json(&facts.to_string()).unwrap()
}

fn request() -> PlanRequest {
    PlanRequest {
        to: "v1.36.3+k3s1".parse().unwrap(),
        artifacts: vec![Artifact {
            name: "k3s".into(),
            arch: "amd64".into(),
            sha256: Digest::of(b"new"),
            size: 107_667_618,
            source: "/releases/v1.36.3+k3s1/k3s".into(),
            trust: "sums in the same directory".into(),
        }],
        soak: Span::seconds(60),
        accepted: Vec::new(),
        ssh: None,
        class: WayClass::Keep,
        parts: Vec::new(),
        backup_to: None,
        date: "2026-11-23".parse().unwrap(),
    }
}

fn made() -> Plan {
    plan(&facts(), &[], &request()).unwrap()
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(made().to_yaml().unwrap(), made().to_yaml().unwrap());
}

#[test]
fn a_plan_reads_back_as_itself_and_keeps_its_lint() {
    let plan = made();
    assert_eq!(plan.lint(), []);
    assert_eq!(Plan::from_yaml(&plan.to_yaml().unwrap()).unwrap(), plan);
    assert_eq!(plan.id, format!("2026-11-23-{}", plan.digest.short(4)));
}

#[test]
fn an_edited_plan_is_refused() {
    let text = made().to_yaml().unwrap();
    let edited = text.replacen("60s", "1s", 1);
    assert_ne!(edited, text);
    assert!(matches!(Plan::from_yaml(&edited), Err(PlanError::Edited { .. })));
    assert!(matches!(Plan::from_yaml("belay: plan/v9\n"), Err(PlanError::Format(_))));
    assert!(matches!(Plan::from_yaml("<!DOCTYPE html>"), Err(PlanError::Yaml(_))));
}

#[test]
fn a_plan_with_a_forged_digest_is_still_linted() {
    let mut plan = made();
    plan.waves[0].steps.retain(|step| step.kind != StepKind::ProveBackup);
    plan.digest = plan.content_digest();
    plan.id = format!("2026-11-23-{}", plan.digest.short(4));
    let text = plan.to_yaml().unwrap();
    let Err(PlanError::Lint(lints)) = Plan::from_yaml(&text) else { panic!("a plan without a receipt was taken") };
    assert!(lints.iter().any(|lint| matches!(lint, Lint::Order { .. })), "{lints:?}");
}

#[test]
fn an_id_that_is_a_path_is_refused() {
    let mut plan = made();
    plan.id = format!("../../etc-{}", plan.digest.short(4));
    assert!(matches!(Plan::from_yaml(&plan.to_yaml().unwrap()), Err(PlanError::Lint(_))));
}

#[test]
fn deadlines_follow_the_node() {
    let plan = made();
    let facts = facts();
    let unit = facts.nodes[0].unit.as_ref().unwrap();
    let step = |kind| plan.steps().find(|step| step.kind == kind).unwrap();
    assert_eq!(step(StepKind::Stop).deadline, unit.timeout_stop + Span::seconds(30));
    assert!(step(StepKind::Start).deadline >= Span::seconds(120));
}

/// Signs an altered plan again, as a forger would.
fn sealed(mut plan: Plan) -> String {
    plan.digest = plan.content_digest();
    plan.id = format!("2026-11-23-{}", plan.digest.short(4));
    plan.to_yaml().unwrap()
}

fn guard_of(plan: &mut Plan) -> &mut belay_plan::Step {
    plan.waves[0].steps.iter_mut().find(|step| step.kind == StepKind::ArmGuard).unwrap()
}

/// I17, I25: whoever only waits for a step is never taken for gone. 210 s is design.md's own example.
#[test]
fn the_lease_outlasts_every_deadline_after_it_and_a_shorter_one_is_a_broken_rule() {
    let mut plan = made();
    let lease = guard_of(&mut plan).lease.unwrap();
    assert_eq!(lease, Span::seconds(210));
    let after = plan.steps().skip_while(|step| step.kind != StepKind::ArmGuard).filter(|s| s.kind != StepKind::Soak);
    assert!(after.map(|step| step.deadline).all(|deadline| deadline + Span::seconds(30) <= lease));
    guard_of(&mut plan).lease = Some(Span::seconds(209));
    let short = |lint: &Lint| matches!(lint, Lint::ShortLease { lease, .. } if *lease == Span::seconds(209));
    assert!(plan.lint().iter().any(short), "{:?}", plan.lint());
    guard_of(&mut plan).lease = None;
    assert!(plan.lint().iter().any(|lint| matches!(lint, Lint::ShortLease { .. })), "no lease is none");
    assert!(matches!(Plan::from_yaml(&sealed(plan)), Err(PlanError::Lint(_))));
}

/// A soak of an hour asks all the while, and its run is vouched for: the guard need not wait that long.
#[test]
fn a_long_soak_does_not_make_the_lease_long_and_a_long_start_does() {
    let mut long = plan(&facts(), &[], &PlanRequest { soak: Span::seconds(3600), ..request() }).unwrap();
    assert_eq!(guard_of(&mut long).lease, Some(Span::seconds(210)));
    let mut facts = facts();
    facts.nodes[0].unit.as_mut().unwrap().last_start = Some(Span::seconds(300));
    let mut slow = plan(&facts, &[], &request()).unwrap();
    let start = slow.steps().find(|step| step.kind == StepKind::Start).unwrap().deadline;
    assert!(guard_of(&mut slow).lease.unwrap() >= start + Span::seconds(30));
    assert_eq!(slow.lint(), []);
}

/// A run that an earlier build began is told of, resumed and rolled back; a plan of it is not applied any more.
#[test]
fn a_plan_of_an_earlier_build_without_a_guard_is_read_of_a_run_and_not_applied() {
    let mut plan = made();
    plan.waves[0].steps.retain(|step| step.kind != StepKind::ArmGuard);
    let text = sealed(plan);
    let Err(PlanError::Lint(lints)) = Plan::from_yaml(&text) else { panic!("it was taken") };
    assert_eq!(lints, [Lint::Unguarded { node: "n1".into() }]);
    let read = Plan::of_run(&text).unwrap();
    assert!(!text.contains("lease:") && read.to_yaml().unwrap() == text, "nothing is added to it");
}

#[test]
fn the_guard_is_armed_just_before_every_stop() {
    for kinds in [Goal::Upgrade.steps(true), Goal::Restore.steps(false)] {
        let stop = kinds.iter().position(|kind| *kind == StepKind::Stop).unwrap();
        assert_eq!(kinds[stop - 1], StepKind::ArmGuard, "{kinds:?}");
    }
    assert!(!Goal::Backup.steps(true).contains(&StepKind::ArmGuard), "a backup stops nothing");
}

fn part(name: &str, from: Option<&str>, to: Option<&str>) -> Part {
    Part { name: name.into(), from: from.map(str::to_owned), to: to.map(str::to_owned) }
}

/// An upgrade within a minor, with everything that writes to disk at the same minor.
fn binary() -> PlanRequest {
    let same = |name| part(name, Some("1.2"), Some("1.2"));
    PlanRequest {
        to: "v1.35.5+k3s1".parse().unwrap(),
        class: WayClass::Binary,
        parts: ["etcd", "kine", "containerd"].map(same).into(),
        ..request()
    }
}

#[test]
fn class_binary_swaps_back_and_keep_follows_under_ids_of_its_own() {
    use StepKind::{Gate, Keep, PutBack, Release, Start, Stop, SwapBack};
    let plan = plan(&facts(), &[], &binary()).unwrap();
    assert_eq!(plan.lint(), []);
    assert_eq!(Plan::from_yaml(&plan.to_yaml().unwrap()).unwrap(), plan);
    assert!(plan.to_yaml().unwrap().contains("class: binary"));
    assert!(plan.steps().any(|step| step.kind == Keep), "the stopped copy is always taken");
    let back = |reached| plan.inverse(reached).into_iter().map(|step| step.kind).collect::<Vec<_>>();
    assert_eq!(back(Reached::Stopped), [SwapBack, Start, Gate, Release]);
    assert_eq!(back(Reached::Started), [Stop, SwapBack, Start, Gate, Release]);
    assert_eq!(back(Reached::SwappedBack), [Stop, PutBack, Start, Gate, Release]);
    let ids = |reached| plan.inverse(reached).into_iter().map(|step| step.id).collect::<Vec<_>>();
    let (first, second) = (ids(Reached::Started), ids(Reached::SwappedBack));
    assert!(second.iter().all(|id| !first.contains(id) && plan.any_step(id).is_some()), "{first:?} {second:?}");
    assert!(plan.falls_from(Reached::Started) && !plan.falls_from(Reached::SwappedBack));
    // Of class keep there is one way back, and no other follows.
    let keep = made();
    assert_eq!(keep.inverse(Reached::SwappedBack), []);
    assert!(Reached::ALL.into_iter().all(|reached| !keep.falls_from(reached)));
}

#[test]
fn class_binary_is_refused_by_name_for_what_differs_and_for_what_is_not_known() {
    let refused = |request: PlanRequest| match plan(&facts(), &[], &request) {
        Err(Refusal::Binary { against, .. }) => against.join("; "),
        other => panic!("{other:?}"),
    };
    let minors = refused(PlanRequest { to: "v1.36.3+k3s1".parse().unwrap(), ..binary() });
    assert_eq!(minors, "Kubernetes goes from 1.35 to 1.36");
    let parts = vec![part("etcd", Some("3.5"), Some("3.6")), part("kine", None, Some("0.16"))];
    assert_eq!(
        refused(PlanRequest { parts, ..binary() }),
        "etcd goes from 3.5 to 3.6; which kine v1.35.4+k3s1 has is not known; \
         which containerd v1.35.4+k3s1 and v1.35.5+k3s1 have is not known"
    );
}

#[test]
fn a_class_that_does_not_fit_the_plan_is_a_broken_rule() {
    let mut upgrade = made();
    upgrade.way_back.class = WayClass::Binary;
    assert!(upgrade.lint().contains(&Lint::WrongClass(WayClass::Binary)), "another minor of Kubernetes");
    upgrade.way_back.class = WayClass::Untouched;
    assert!(upgrade.lint().contains(&Lint::WrongClass(WayClass::Untouched)));
    let mut backup = backup_plan(&facts(), None, None, "2026-11-23".parse().unwrap()).unwrap();
    backup.way_back.class = WayClass::Keep;
    assert!(backup.lint().contains(&Lint::WrongClass(WayClass::Keep)));
}

#[test]
fn the_way_back_says_what_another_minor_of_etcd_means() {
    let mut facts = facts();
    let etcd = |old: &str, new: &str| PlanRequest { parts: vec![part("etcd", Some(old), Some(new))], ..request() };
    let why = |facts: &Facts, request| plan(facts, &[], &request).unwrap().way_back.why;
    assert!(!why(&facts, etcd("3.6", "3.7")).contains("etcd"), "this server has SQLite");
    facts.nodes[0].datastore.as_mut().unwrap().kind = DatastoreKind::Etcd;
    assert!(why(&facts, etcd("3.6", "3.7")).contains("etcd goes from 3.6 to 3.7"));
    assert!(!why(&facts, etcd("3.6", "3.6")).contains("etcd"));
}

#[test]
fn what_cannot_answer_is_said_and_never_dropped() {
    let mut facts = facts();
    facts.cluster.as_mut().unwrap().dns = None;
    facts.cluster.as_mut().unwrap().canary = None;
    let plan = plan(&facts, &[], &request()).unwrap();
    for kind in [StepKind::Baseline, StepKind::Gate] {
        let step = plan.steps().find(|step| step.kind == kind).unwrap();
        assert_eq!(step.not_asked, [GateName::Dns, GateName::CanaryPod], "{kind}");
        assert!(!step.gates.contains(&GateName::Dns));
    }
}

#[test]
fn a_blocking_finding_refuses_and_an_unknown_one_as_well() {
    for verdict in [Verdict::Yes, Verdict::Unknown] {
        let finding = Finding {
            rule: "belay-x".into(),
            title: "x".into(),
            severity: Severity::Block,
            verdict,
            node: None,
            means: String::new(),
            fix: String::new(),
            evidence: Vec::new(),
            cases: Vec::new(),
            sources: Vec::new(),
            accepted: None,
        };
        let refusal = plan(&facts(), std::slice::from_ref(&finding), &request()).unwrap_err();
        assert!(matches!(refusal, Refusal::Blocked(_)));
        let unsure = refusal.to_string().contains("cannot be ruled out, since facts are missing: x (belay-x)");
        assert_eq!(unsure, verdict == Verdict::Unknown, "{refusal}");
        assert!(matches!(made().ensure_still_valid(&facts(), &[finding]), Err(PlanError::Blocked(_))));
    }
}

#[test]
fn a_plan_is_stale_when_what_it_stands_on_changed_and_says_what() {
    let plan = made();
    assert!(plan.ensure_still_valid(&facts(), &[]).is_ok());
    let mut later = facts();
    later.taken_at = "2027-01-01T00:00:00Z".parse().unwrap();
    later.nodes[0].memory = None;
    assert!(plan.ensure_still_valid(&later, &[]).is_ok(), "age alone does not make a plan stale");
    let mut other = facts();
    other.cluster.as_mut().unwrap().id = "another".into();
    let error = plan.ensure_still_valid(&other, &[]).unwrap_err();
    assert!(error.to_string().contains("UID of kube-system"), "{error}");
    let mut edited = facts();
    edited.nodes[0].config.digest = Some(Digest::of(b"edited"));
    let error = plan.ensure_still_valid(&edited, &[]).unwrap_err();
    assert!(error.to_string().contains("the configuration on"), "{error}");
}

#[test]
fn the_way_back_depends_on_how_far_it_went() {
    let plan = made();
    let kinds = |reached| plan.inverse(reached).into_iter().map(|step| step.kind).collect::<Vec<_>>();
    use StepKind::{Gate, PutBack, Release, Start, Stop, SwapBack};
    assert_eq!(kinds(Reached::Prepared), [Release]);
    assert_eq!(kinds(Reached::Stopped), [SwapBack, Start, Gate, Release]);
    assert_eq!(kinds(Reached::Started), [Stop, PutBack, Start, Gate, Release]);
    let forward: Vec<String> = plan.steps().map(|step| step.id.clone()).collect();
    for step in plan.inverse(Reached::Started) {
        assert!(!forward.contains(&step.id), "{} is there twice", step.id);
        assert!(step.deadline > Span::ZERO);
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_a_plan_with_its_digest(text in "\\PC{0,200}") {
        if let Ok(plan) = Plan::from_yaml(&text) {
            prop_assert_eq!(plan.content_digest(), plan.digest);
        }
    }

    #[test]
    fn a_larger_datastore_never_shortens_a_deadline(a in 0u64..1_000_000_000, b in 0u64..1_000_000_000) {
        let with = |size| {
            let mut facts = facts();
            facts.nodes[0].datastore.as_mut().unwrap().size = size;
            plan(&facts, &[], &request()).unwrap()
        };
        let (small, large) = (with(a.min(b)), with(a.max(b)));
        for (s, l) in small.steps().zip(large.steps()) {
            prop_assert!(s.deadline <= l.deadline, "{}", s.id);
        }
    }
}

#[test]
fn a_backup_has_the_steps_of_an_upgrades_backup_and_none_that_touches_k3s() {
    let plan = backup_plan(&facts(), None, Some("/mnt/share".into()), "2026-11-23".parse().unwrap()).unwrap();
    assert_eq!(plan.lint(), []);
    assert_eq!(Plan::from_yaml(&plan.to_yaml().unwrap()).unwrap(), plan);
    let kinds: Vec<StepKind> = plan.steps().map(|step| step.kind).collect();
    use StepKind::{Backup, Commit, CopyBackup, Fence, ProveBackup, Release};
    assert_eq!(kinds, [Fence, Backup, ProveBackup, CopyBackup, Commit]);
    let back: Vec<StepKind> = plan.inverse(Reached::Prepared).iter().map(|step| step.kind).collect();
    assert_eq!(back, [Release], "a backup that fails takes the fence away again");
    let upgrade = made();
    for step in plan.steps().filter(|step| step.kind != CopyBackup && step.kind != Backup) {
        assert_eq!(upgrade.steps().find(|other| other.kind == step.kind), Some(step), "the same step");
    }
}

#[test]
fn a_place_for_the_backup_brings_its_step_and_no_step_comes_without_a_place() {
    let mut plan = plan(&facts(), &[], &PlanRequest { backup_to: Some("/mnt/share".into()), ..request() }).unwrap();
    assert_eq!(plan.lint(), []);
    assert!(plan.steps().any(|step| step.kind == StepKind::CopyBackup));
    plan.backup_to = None;
    assert!(plan.lint().iter().any(|lint| matches!(lint, Lint::WrongWay(id) if id.ends_with(".copy-backup"))));
    plan.goal = Goal::Backup;
    assert!(plan.lint().iter().any(|lint| matches!(lint, Lint::WrongWay(id) if id.ends_with(".stop"))));
}
