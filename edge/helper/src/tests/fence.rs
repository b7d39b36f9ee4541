use std::fs;

use belay_wire::{FaultKind, Op, StepProbe, Way};

use super::node::{Node, Quiet};
use crate::mutate::mutate;

#[test]
fn a_fence_installs_interlock_boot_unit_helper_and_reserve() {
    let node = Node::new();
    node.act(node.fence());
    let read = |path: &std::path::Path| fs::read_to_string(path).unwrap();
    let interlock = read(&node.places.interlock("k3s.service"));
    assert!(interlock.contains(&format!("\nAssertPathExists=!{}/.belay-put-back\n", node.target.data_dir)));
    assert!(interlock.contains(&format!("\nRequiresMountsFor={}\n", node.target.data_dir)));
    let guard = read(&node.places.guard_unit());
    assert!(guard.contains("\nBefore=k3s.service\n") && guard.contains("belay-helper recover\n"));
    // A bug of ours must not be able to keep K3s down.
    assert!(!interlock.contains("belay-guard") && !guard.contains("RequiredBy"));
    assert_eq!(fs::read_link(node.places.guard_wanted()).unwrap(), node.places.guard_unit());
    assert_eq!(read(&node.places.helper), "the helper");
    let reserve = node.path(&format!("k3s/.belay-reserve-{}", node.run));
    assert_eq!(fs::metadata(reserve).unwrap().len(), 64 * 1024);
    assert_eq!(read(&node.path("unit/reloads")), "x\n");
    let mode = |path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777;
    assert_eq!(mode(node.places.state.join("fence")), 0o600);
    assert_eq!(mode(node.places.run_dir(&node.run)), 0o700);
}

#[test]
fn an_older_generation_and_another_run_are_refused_by_name() {
    let mut node = Node::new();
    node.fault(Op::Backup, FaultKind::Refused);
    node.generation = 3;
    node.act(node.fence());
    node.act(node.stage());
    node.generation = 2;
    assert!(node.fault(Op::Backup, FaultKind::Fenced).contains("generation 3"));
    assert!(node.fault(node.fence(), FaultKind::Fenced).contains("generation 3"));
    node.run = "2026-11-24-aaaa".into();
    node.generation = 9;
    assert!(node.fault(node.fence(), FaultKind::Fenced).contains(super::node::RUN));
    assert!(!node.places.run_dir(&node.run).exists(), "nothing was written in its name");
    // A resume takes over with a higher generation; the other one is late from then on.
    node.run = super::node::RUN.into();
    node.generation = 4;
    node.act(node.fence());
    node.act(Op::Backup);
    node.generation = 3;
    node.fault(Op::ProveBackup, FaultKind::Fenced);
    // After its end another run may come, and the first is over.
    node.generation = 4;
    node.act(Op::Release { keep_way_back: false });
    node.run = "2026-11-24-aaaa".into();
    node.generation = 1;
    node.act(node.fence());
    node.run = super::node::RUN.into();
    node.generation = 5;
    node.fault(Op::Backup, FaultKind::Fenced);
}

#[test]
fn a_probe_changes_nothing() {
    let node = Node::new();
    let everything = || super::node::listing(node.root.path());
    let before = everything();
    let probe =
        mutate(&node.places, &node.mutation(node.fence(), Way::Probe), &mut Quiet(Vec::new()), &node.digests).unwrap();
    assert!(matches!(probe, belay_wire::Reply::Probe(StepProbe::NotDone)));
    let added: Vec<_> = everything().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(added.iter().all(|name| name.starts_with("var/") && !name.contains("runs")), "{added:?}");
    node.forward(6);
    let before = everything();
    for op in node.steps() {
        node.probe(op);
    }
    assert_eq!(everything(), before);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let mut node = Node::new();
    for run in ["../x", "a/b", "", ".x", "a b", "-x"] {
        node.run = run.into();
        node.fault(node.fence(), FaultKind::Refused);
    }
    node.run = super::node::RUN.into();
    node.target.unit = "../../etc/passwd.service".into();
    node.fault(node.fence(), FaultKind::Refused);
    node.target.unit = "k3s.service".into();
    node.target.data_dir = "/var/../etc".into();
    node.fault(node.fence(), FaultKind::Refused);
}

#[test]
fn a_journal_that_is_damaged_stops_everything_in_its_name() {
    let mut node = Node::new();
    node.forward(2);
    let path = node.places.run_dir(&node.run).join("journal");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("fence", "fense", 1)).unwrap();
    assert!(node.ask(Op::Backup).is_err());
    node.run = "2026-11-24-aaaa".into();
    assert!(node.fault(node.fence(), FaultKind::Fenced).contains("damaged"));
}

/// Found by the simulation: a fence that failed before it was written (a full disk) turned back to a release that was refused,
/// because the run had not taken the node, and the run needed a human for ever.
#[test]
fn a_node_that_was_never_taken_can_be_released() {
    let node = Node::new();
    node.act(Op::Release { keep_way_back: false });
    assert!(!node.places.guard_unit().exists());
}
