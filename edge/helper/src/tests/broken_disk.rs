use std::fs;
use std::os::unix::fs::symlink;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op};

use super::back::{abandoned, interrupted};
use super::node::{Node, OLD};
use crate::recover::recover;

/// From here on the node's journal takes no record: its lock is a file that answers a write at its begin with an I/O error
/// (nothing is mapped there), one for each thread and so for each test.
fn journal_breaks(node: &Node) {
    let lock = node.places.run_dir(&node.run).join("journal.lock");
    fs::remove_file(&lock).unwrap();
    symlink("/proc/thread-self/mem", &lock).unwrap();
}

#[test]
fn a_journal_that_takes_no_records_stops_every_effect_by_name() {
    let node = Node::new();
    node.forward(4);
    journal_breaks(&node);
    let before = super::node::listing(node.root.path());
    for op in [Op::Stop, Op::Vouch] {
        let told = node.fault(op, FaultKind::Io);
        assert!(told.contains("journal"), "{told}");
    }
    for op in [Op::Keep, Op::Swap, Op::PutBack { seen: 1 }, Op::Release { keep_way_back: true }] {
        assert!(node.ask(op).is_err());
    }
    assert_eq!(super::node::listing(node.root.path()), before);
    assert_eq!(node.jobs(), "");
}

/// Nothing halts with K3s down: what is left to do is the start of the old version, and that leaves nothing to take back.
#[test]
fn the_old_version_is_started_although_the_journal_takes_no_records() {
    let node = Node::new();
    node.forward(6);
    assert!(!node.jobs().contains("start"));
    journal_breaks(&node);
    node.fault(Op::Swap, FaultKind::Io);
    let turn = Op::Turn { seen: 9, class: WayClass::Keep, why: "the disk".into() };
    node.fault(turn, FaultKind::Io);
    node.act(Op::Start);
    assert_eq!((node.version(), node.jobs().as_str()), (OLD, "stop\nstart\n"));
}

/// The new version must not run without a record of it: a swap back would then take its data for the old one's.
#[test]
fn the_new_version_is_never_started_without_a_record() {
    let node = Node::new();
    node.forward(7);
    journal_breaks(&node);
    node.fault(Op::Start, FaultKind::Io);
    node.fault(Op::SwapBack, FaultKind::Io);
    assert_eq!(node.jobs(), "stop\n");
}

/// Neither does a half-restored directory: the marker stands, journal or not.
#[test]
fn a_marker_keeps_k3s_down_without_a_journal_as_well() {
    let node = Node::new();
    node.forward(6);
    journal_breaks(&node);
    fs::write(node.path("k3s").join(belay_wire::MARKER), "").unwrap();
    node.fault(Op::Start, FaultKind::Refused);
    assert_eq!(node.jobs(), "stop\n");
}

/// A boot whose put-back does not work leaves K3s down: half of what was exchanged is there.
#[test]
fn a_boot_whose_put_back_fails_leaves_k3s_down() {
    let node = Node::new();
    abandoned(&node);
    interrupted(&node, 4);
    journal_breaks(&node);
    node.boot();
    let before = node.jobs();
    let said = recover(&node.places).concat();
    assert!(said.contains("journal"), "{said}");
    assert_eq!(node.jobs(), before);
    assert!(node.path("k3s").join(belay_wire::MARKER).exists());
}
