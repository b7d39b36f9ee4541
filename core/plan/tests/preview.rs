//! What is foretold of workloads: a table of what they are and what becomes of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::LazyLock;

use belay_checks::{Edge, Finding, Knowledge, Policy, check};
use belay_facts::{Digest, Facts, ObjectFacts, Span, WayClass};
use belay_plan::{
    Artifact, Basis, Fate, Hold, MeasuredRun, MeasuredStep, PlanRequest, Preview, PreviewRequest, StepKind, ToldBy,
    WorkloadPreview, plan,
};
use serde_json::{Value, json};

fn knowledge() -> &'static Knowledge {
    static EMBEDDED: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::embedded().unwrap());
    &EMBEDDED
}

/// The healthy server of the rules' fixtures, with a dozen of pods.
fn busy(change: impl FnOnce(&mut Value)) -> Facts {
    let mut base: Value = serde_json::from_str(include_str!("../../checks/fixtures/base.json")).unwrap();
    let busy: Value = serde_json::from_str(include_str!("fixtures/busy-node.json")).unwrap();
    let facts = &mut base["facts"];
    facts.as_object_mut().unwrap().remove("objects");
    facts["cluster"]["workloads"] = busy["workloads"].clone();
    facts["cluster"]["pods"] = busy["pods"].clone();
    // The base has disabled traefik and nothing else.
    change(facts);
    Facts::from_json(&facts.to_string()).unwrap()
}

fn second_node(facts: &mut Value) {
    let mut second = facts["cluster"]["nodes"][0].clone();
    second["name"] = json!("n2");
    facts["cluster"]["nodes"].as_array_mut().unwrap().push(second);
}

fn findings(facts: &Facts, from: &str, to: &str) -> Vec<Finding> {
    let edge = Edge { from: from.parse().unwrap(), to: Some(to.parse().unwrap()) };
    check(facts, &edge, knowledge(), &Policy { accepted: Vec::new(), today: "2026-11-27".parse().unwrap() })
}

fn foretold(facts: &Facts, to: &str, measured: &[MeasuredRun]) -> Preview {
    let from = facts.nodes[0].binary.as_ref().unwrap().version.as_ref().unwrap().to_string();
    let findings = findings(facts, &from, to);
    let to = to.parse().unwrap();
    let request = PreviewRequest { facts, findings: &findings, knowledge: knowledge(), to: &to, plan: None, measured };
    Preview::of(request).unwrap()
}

fn one<'a>(preview: &'a Preview, workload: &str) -> &'a WorkloadPreview {
    preview.workloads.iter().find(|one| one.workload == workload).unwrap_or_else(|| panic!("{workload}: {preview:#?}"))
}

fn told(one: &WorkloadPreview) -> String {
    let holds: Vec<String> =
        one.holds.iter().map(|hold| format!("{hold:?}").split(' ').next().unwrap().to_owned()).collect();
    format!("{:?} {}", one.fate, holds.join("+")).trim().to_owned()
}

fn run(id: &str, gap: u64) -> MeasuredRun {
    MeasuredRun {
        run: id.to_owned(),
        at: "2026-10-01T10:00:00Z".parse().unwrap(),
        from: "v1.34.5+k3s1".parse().unwrap(),
        to: "v1.35.4+k3s1".parse().unwrap(),
        api_gap: Span::millis(gap),
        duration: Span::seconds(14),
        steps: vec![MeasuredStep { kind: StepKind::Stop, took: Span::millis(1900) }],
    }
}

/// Workload, what becomes of it and what would hold it, on the only node and beside a second one.
const TABLE: [(&str, &str, &str); 12] = [
    ("Deployment shop/web", "RunsOn NoOtherReplica", "RunsOn NoOtherReplica"),
    ("Deployment shop/cam", "RunsOn NoOtherReplica+HostPath", "RunsOn NoOtherReplica+HostPath"),
    ("Deployment shop/twice", "RunsOn NoOtherReplica+SeveralBudgets", "RunsOn NoOtherReplica+SeveralBudgets"),
    ("StatefulSet shop/db", "RunsOn NoOtherReplica+Volume+Budget", "RunsOn NoOtherReplica+Volume+Budget"),
    ("Pod default/debug", "RunsOn NothingMakesItAgain", "RunsOn NothingMakesItAgain"),
    ("Pod kube-system/kube-vip-n1", "RunsOn Node", "RunsOn Node"),
    ("DaemonSet kube-system/svclb-traefik-1a2b", "MayBeReplaced Node", "MayBeReplaced Node"),
    ("Deployment kube-system/coredns", "MayBeReplaced NoOtherReplica", "MayBeReplaced NoOtherReplica"),
    ("Job kube-system/helm-install-traefik", "MayRestart NoOtherReplica", "MayRestart"),
    ("Deployment cert/cert-manager", "MayRestart NoOtherReplica", "MayRestart NoOtherReplica"),
    ("Deployment flux/source", "RunsOn NoOtherReplica+EmptyDir", "RunsOn NoOtherReplica+EmptyDir"),
    ("Deployment shop/elsewhere", "", ""),
];

#[test]
fn each_workload_is_told_what_becomes_of_it() {
    let alone = foretold(&busy(|_| {}), "v1.36.3+k3s1", &[]);
    let beside = foretold(&busy(second_node), "v1.36.3+k3s1", &[]);
    assert_eq!((alone.only_node, beside.only_node), (Some(true), Some(false)));
    for (workload, on_one, on_two) in TABLE {
        if on_one.is_empty() {
            assert!(!alone.workloads.iter().any(|one| one.workload == workload), "no pod of it is here");
            continue;
        }
        assert_eq!(told(one(&alone, workload)), on_one, "{workload}, alone");
        assert_eq!(told(one(&beside, workload)), on_two, "{workload}, beside another node");
    }
    assert_eq!(alone.workloads.len(), TABLE.len() - 1, "{alone:#?}");
    assert_eq!(one(&alone, "Deployment shop/web").pods, Some(2));
    assert!(alone.workloads.is_sorted_by_key(|one| std::cmp::Reverse(one.fate)), "the worst first");
}

#[test]
fn a_replica_that_is_ready_on_another_node_goes_on() {
    let facts = busy(|facts| {
        second_node(facts);
        for workload in facts["cluster"]["workloads"].as_array_mut().unwrap() {
            if workload["name"] == "web" {
                (workload["desired"], workload["ready"]) = (json!(3), json!(3));
            }
        }
    });
    let preview = foretold(&facts, "v1.36.3+k3s1", &[]);
    let web = one(&preview, "Deployment shop/web");
    assert_eq!((web.elsewhere, web.holds.as_slice(), web.would_move()), (Some(1), &[][..], true));
    assert!(preview.unknown.iter().any(|text| text.contains("room for what would move")), "{:?}", preview.unknown);
}

#[test]
fn the_kubelet_of_1_31_restarts_everything_and_so_does_a_unit_that_kills_its_pods() {
    let old = busy(|facts| {
        facts["nodes"][0]["binary"]["version"] = json!("v1.30.14+k3s2");
        facts["cluster"]["version"] = json!("v1.30.14+k3s2");
    });
    let preview = foretold(&old, "v1.31.14+k3s1", &[]);
    assert!(preview.workloads.iter().all(|one| one.fate == Fate::Restarts), "{preview:#?}");
    assert!(preview.workloads[0].why.as_ref().unwrap().contains("belay-containers-restart-1-31"));

    let killed = busy(|facts| facts["nodes"][0]["unit"]["kill_mode"] = json!("control-group"));
    let preview = foretold(&killed, "v1.36.3+k3s1", &[]);
    assert!(preview.workloads.iter().all(|one| one.fate == Fate::Restarts), "{preview:#?}");
    assert!(preview.workloads[0].why.as_ref().unwrap().contains("belay-unit-kills-pods"));
    assert!(!preview.meanwhile[0].contains("go on as they were"), "{:?}", preview.meanwhile);
}

#[test]
fn what_is_not_known_of_all_pods_may_restart_them() {
    let facts = busy(|facts| facts["nodes"][0]["unit"] = Value::Null);
    let preview = foretold(&facts, "v1.36.3+k3s1", &[]);
    assert!(preview.workloads.iter().all(|one| one.fate == Fate::MayRestart), "{preview:#?}");
}

#[test]
fn what_k3s_does_not_bring_is_not_replaced_by_it() {
    let facts = busy(|facts| {
        let keys = &mut facts["nodes"][0]["config"]["keys"];
        keys[1]["values"] = json!(["coredns,servicelb"]);
    });
    let preview = foretold(&facts, "v1.36.3+k3s1", &[]);
    assert_eq!(one(&preview, "Deployment kube-system/coredns").fate, Fate::RunsOn);
    assert_eq!(one(&preview, "DaemonSet kube-system/svclb-traefik-1a2b").fate, Fate::RunsOn);
}

#[test]
fn what_was_measured_here_counts_more_than_an_estimate() {
    let facts = busy(|_| {});
    let estimated = foretold(&facts, "v1.36.3+k3s1", &[]);
    assert_eq!(estimated.expected.basis, Basis::Estimated);
    assert!(estimated.expected.elsewhere.as_ref().unwrap().contains("docs/performance.md"));
    assert_eq!(one(&estimated, "Deployment cert/cert-manager").fate, Fate::MayRestart, "{:?}", estimated.expected);

    let measured = foretold(&facts, "v1.36.3+k3s1", &[run("b", 5_200), run("a", 4_900)]);
    let expected = &measured.expected;
    assert_eq!((expected.basis, expected.elsewhere.as_ref(), expected.runs.len()), (Basis::Measured, None, 2));
    assert_eq!((expected.api_gap.least, expected.api_gap.most), (Span::millis(4_900), Span::millis(5_200)));
    assert_eq!(one(&measured, "Deployment cert/cert-manager").fate, Fate::RunsOn, "5.2 s are within 10 s of its lease");
    assert!(
        measured
            .meanwhile
            .iter()
            .any(|text| text.contains("2 leases of leaders here are not renewed, the shortest of 15 s")),
        "{:?}",
        measured.meanwhile
    );
}

/// With a plan it stands on the plan's own estimate, and the plan does not stand on it.
#[test]
fn a_plan_is_the_same_whatever_was_measured_before() {
    let facts = busy(|_| {});
    let request = PlanRequest {
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
    };
    let made = plan(&facts, &[], &request).unwrap();
    let foretold = |measured: &[MeasuredRun]| {
        let to = &made.to;
        let all =
            PreviewRequest { facts: &facts, findings: &[], knowledge: knowledge(), to, plan: Some(&made), measured };
        Preview::of(all).unwrap().expected
    };
    let estimated = foretold(&[]);
    assert_eq!((estimated.soak, estimated.api_gap.most), (Some(Span::seconds(60)), made.expect.api_gap));
    assert_eq!(estimated.duration.most + Span::seconds(60), made.expect.duration);
    assert_eq!(foretold(&[run("a", 4_900)]).basis, Basis::Measured);
    assert_eq!(plan(&facts, &[], &request).unwrap().to_yaml().unwrap(), made.to_yaml().unwrap());
    assert!(!made.to_yaml().unwrap().contains("StatefulSet"), "no workload is in it");
}

#[test]
fn what_could_not_be_read_is_said() {
    let facts = busy(|facts| facts["cluster"]["pods"]["unread"] = json!(["volumes", "budgets", "leases"]));
    let preview = foretold(&facts, "v1.36.3+k3s1", &[]);
    for part in ["which volumes bind pods to n1", "which disruption budgets", "the leases could not be read"] {
        assert!(preview.unknown.iter().any(|text| text.contains(part)), "{part}: {:?}", preview.unknown);
    }
    let silent = busy(|facts| {
        facts["cluster"].as_object_mut().unwrap().remove("pods");
    });
    let preview = foretold(&silent, "v1.36.3+k3s1", &[]);
    assert_eq!(preview.told_by, ToldBy::Nobody);
    assert!(preview.workloads.is_empty() && preview.unknown[0].contains("the API did not tell it"), "{preview:#?}");
}

/// Where the API tells nothing, what was read of the datastore does.
#[test]
fn objects_of_the_datastore_tell_what_the_api_does_not() {
    let base: Value = serde_json::from_str(include_str!("../../checks/fixtures/base.json")).unwrap();
    let mut facts = Facts::from_json(&base["facts"].to_string()).unwrap();
    let Some(ObjectFacts::Read(inventory)) = &mut facts.objects else { panic!("the base has objects") };
    let (namespace, name) = ("default".to_owned(), "debug".to_owned());
    inventory.single_replicas.add("Deployment shop/cam".to_owned());
    inventory.bare_pods.add(belay_facts::PlacedPod { namespace, name, node: "n1".into() });
    inventory.host_paths.add(belay_facts::HostPath { owner: "Deployment shop/cam".into(), path: "/dev/video0".into() });
    inventory.local_volumes.add(belay_facts::LocalVolume {
        name: "pvc-11".into(),
        claim: "shop/data-db-0".into(),
        path: "/storage/pvc-11".into(),
        nodes: vec!["n1".into()],
    });
    facts.cluster = None;
    let preview = foretold(&facts, "v1.36.3+k3s1", &[]);
    assert_eq!(preview.told_by, ToldBy::Datastore);
    assert_eq!(told(one(&preview, "Deployment shop/cam")), "RunsOn NoOtherReplica+HostPath");
    assert_eq!(told(one(&preview, "Pod default/debug")), "RunsOn NothingMakesItAgain");
    assert!(
        one(&preview, "PersistentVolumeClaim shop/data-db-0")
            .holds
            .iter()
            .any(|hold| matches!(hold, Hold::Volume { .. }))
    );
    assert!(preview.unknown[0].contains("the datastore's objects"), "{:?}", preview.unknown);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_reads_back() {
    let bytes = || serde_json::to_string(&foretold(&busy(|_| {}), "v1.36.3+k3s1", &[run("a", 4_900)])).unwrap();
    assert_eq!(bytes(), bytes());
    let read: Preview = serde_json::from_str(&bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), bytes());
}

#[test]
fn there_is_nothing_to_foretell_of_the_version_that_runs() {
    let facts = busy(|_| {});
    let to = "v1.35.4+k3s1".parse().unwrap();
    let request =
        PreviewRequest { facts: &facts, findings: &[], knowledge: knowledge(), to: &to, plan: None, measured: &[] };
    assert_eq!(Preview::of(request), None);
}
