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
    assert!(node.fault(node.fence(), FaultKind::Refused).contains(super::node::RUN));
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
    assert!(node.fault(node.fence(), FaultKind::Refused).contains("damaged"));
}

/// A coordinator as it says hello.
struct Speaking(belay_facts::Coordinator);

impl crate::Channel for Speaking {
    fn progress(&mut self, _: &str, _: u64, _: u64) {}
    fn bytes(&mut self) -> Result<Vec<u8>, belay_wire::Fault> {
        Ok(Vec::new())
    }
    fn finish_bytes(&mut self) {}
    fn orphaned(&self) -> bool {
        false
    }
    fn by(&self) -> Option<&belay_facts::Coordinator> {
        Some(&self.0)
    }
}

fn coordinator(host: &str, pid: u32, boot: &str) -> belay_facts::Coordinator {
    let since = 1_795_452_002_000;
    belay_facts::Coordinator {
        user: "root for anna".into(),
        host: host.into(),
        pid,
        started: 42,
        boot: boot.into(),
        since,
    }
}

#[test]
fn the_loser_is_told_who_holds_the_node_since_when_and_whether_that_process_lives() {
    let mut node = Node::new();
    let from = |node: &Node, op: Op, by: &belay_facts::Coordinator| {
        mutate(&node.places, &node.mutation(op, Way::Do), &mut Speaking(by.clone()), &node.digests)
    };
    let first = coordinator("n1", 7, "boot-1");
    from(&node, node.fence(), &first).unwrap();
    let stat = |state: &str| {
        fs::create_dir_all(node.path("proc/7")).unwrap();
        let text = format!("7 (belay) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 42 1000 2");
        fs::write(node.path("proc/7/stat"), text).unwrap();
    };
    let loses = |node: &Node| {
        let mut other = node.mutation(node.fence(), Way::Do);
        other.run = "2026-11-24-aaaa".into();
        let fault = mutate(&node.places, &other, &mut Quiet(Vec::new()), &node.digests).unwrap_err();
        // It has taken nothing, so nothing of it is left; `Fenced` is for coordinators of the run that holds the node.
        assert_eq!(fault.kind, FaultKind::Refused);
        fault.message
    };
    stat("S");
    let told = loses(&node);
    for word in [
        super::node::RUN,
        "root for anna on n1 (process 7)",
        "2026-11-23T16:40:02Z",
        "which lives",
        "belay halt",
        "n1.step done",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    stat("T");
    assert!(loses(&node).contains("which is paused"));
    fs::remove_dir_all(node.path("proc/7")).unwrap();
    assert!(loses(&node).contains("which is gone"));

    // Another coordinator takes it over, from a machine that this node cannot look into; the first is late from then on.
    node.generation = 2;
    from(&node, node.stage(), &coordinator("laptop", 9, "boot-9")).unwrap();
    assert!(loses(&node).contains("root for anna on laptop (process 9)"));
    assert!(loses(&node).contains("another machine"));
    node.generation = 1;
    let late = from(&node, Op::Backup, &first).unwrap_err();
    assert_eq!(late.kind, FaultKind::Fenced);
    assert!(late.message.contains("generation 2, for root for anna on laptop"), "{}", late.message);
    // A fence of before this was remembered names nobody.
    let path = node.places.state.join("fence");
    fs::write(&path, format!("{{\"run\":\"{}\",\"generation\":2,\"plan\":null}}", node.run)).unwrap();
    assert!(loses(&node).contains("holds this node, and has not ended"));
}

/// Found by the model (`SharedGeneration`): two that resumed at the same time, each from a copy of the run's directory, got the
/// same generation, and the node let both act.
#[test]
fn a_generation_is_one_coordinators() {
    let mut node = Node::new();
    let ask = |node: &Node, op: Op, by: &belay_facts::Coordinator| {
        mutate(&node.places, &node.mutation(op, Way::Do), &mut Speaking(by.clone()), &node.digests)
    };
    let (first, second) = (coordinator("n1", 7, "boot-1"), coordinator("laptop", 9, "boot-9"));
    ask(&node, node.fence(), &first).unwrap();
    node.generation = 2;
    ask(&node, node.stage(), &first).unwrap();
    for op in [node.stage(), Op::Backup, node.fence()] {
        let fault = ask(&node, op, &second).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Fenced);
        assert!(
            fault.message.contains("another process's: this node is held, for root for anna on n1 (process 7)"),
            "{}",
            fault.message
        );
    }
    // The same process over a new channel, and whoever took it over by a newer one.
    ask(&node, Op::Backup, &first).unwrap();
    node.generation = 3;
    ask(&node, Op::ProveBackup, &second).unwrap();
}

/// A paused coordinator that is continued after the node was taken over: nothing that it asks for leaves a trace.
#[test]
fn nothing_that_a_superseded_coordinator_asks_for_changes_the_node() {
    let mut node = Node::new();
    node.forward(5);
    node.generation = 7;
    node.act(Op::Keep);
    let before = super::node::listing(node.root.path());
    node.generation = 1;
    let turn = Op::Turn { seen: 9, class: belay_facts::WayClass::Keep, why: "late".into() };
    let notes = [Op::Vouch, Op::StandDown { why: "late".into() }, turn];
    let steps = [Op::Stop, Op::Keep, Op::Swap, Op::Start, Op::SwapBack, Op::PutBack { seen: 9 }];
    for op in notes.into_iter().chain(steps).chain([Op::Release { keep_way_back: true }, node.fence(), node.stage()]) {
        node.fault(op, FaultKind::Fenced);
    }
    assert_eq!(super::node::listing(node.root.path()), before);
}

/// Found by the simulation: a fence that failed before it was written (a full disk) turned back to a release that was refused,
/// because the run had not taken the node, and the run needed a human for ever.
#[test]
fn a_node_that_was_never_taken_can_be_released() {
    let node = Node::new();
    node.act(Op::Release { keep_way_back: false });
    assert!(!node.places.guard_unit().exists());
}

/// Found by the simulation, seed 3292: a `stop` that a broken channel had kept came after the way back was done, and stopped K3s.
#[test]
fn what_a_channel_that_was_given_up_brings_late_is_refused() {
    let node = Node::new();
    node.forward(6);
    let over = |channel, op: Op| {
        let mutation = belay_wire::Mutation { channel, ..node.mutation(op, Way::Do) };
        mutate(&node.places, &mutation, &mut Quiet(Vec::new()), &node.digests)
    };
    over(1, Op::Swap).unwrap();
    over(1, Op::Start).unwrap();
    let late = over(0, Op::Stop).unwrap_err();
    assert_eq!(late.kind, FaultKind::Fenced);
    assert!(late.message.contains("channel 0 of generation 1 was given up"), "{}", late.message);
    assert!(node.active());
    // A later coordinator begins with its first channel.
    let mut next = node;
    next.generation = 2;
    next.act(Op::Vouch);
}
