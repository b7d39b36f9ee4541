//! The way back of class binary (ADR 0009): the data stay, the stopped copy is there until the run ends.

use std::fs;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op, Reply, StepProbe};

use super::node::{NEW, Node, OLD, hash_of};
use crate::recover::recover;

/// A node whose run goes back by class binary.
fn node() -> Node {
    let mut node = Node::new();
    node.target.way_back = WayClass::Binary;
    node
}

/// Upgraded and written to by the new version. Returns the live state as it was kept.
fn upgraded(node: &Node) -> Vec<(String, String)> {
    node.forward(6);
    let kept = node.live();
    node.act(Op::Swap);
    node.act(Op::Start);
    node.put("/registry/configmaps/default/created", "new");
    kept
}

fn turn(class: WayClass) -> Op {
    Op::Turn { seen: 40, class, why: "n1.gate: kubelet".into() }
}

fn has_copy(node: &Node) -> bool {
    node.path(&format!("k3s/server.belay-{}", node.run)).exists()
}

fn has_written(node: &Node, name: &str) -> bool {
    node.live().iter().any(|(key, _)| key.ends_with(name))
}

#[test]
fn a_swap_back_leaves_the_data_and_the_copy_until_the_way_back_is_complete() {
    let node = node();
    upgraded(&node);
    node.act(turn(WayClass::Binary));
    assert!(node.fault(Op::SwapBack, FaultKind::Stale).contains("active"), "K3s is not stopped yet");
    node.act(Op::Stop);
    for _again in 0..2 {
        node.act(Op::SwapBack);
        assert_eq!((node.version(), node.current()), (OLD, node.path("k3s/data").join(hash_of(OLD))));
        assert!(has_copy(&node) && has_written(&node, "created"));
    }
    node.act(Op::Start);
    node.put("/registry/configmaps/default/after", "the old version writes on");
    assert!(matches!(node.probe(Op::SwapBack), StepProbe::Done { .. }), "asked again after a kill");
    let Reply::Released(_) = node.act(Op::Release { keep_way_back: false }) else { panic!() };
    assert!(!has_copy(&node) && !node.path(&format!("bin/.k3s.belay-{}", node.run)).exists());
    assert!(has_written(&node, "created") && has_written(&node, "after"));
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
}

/// In a run of class keep the same request is refused: only the plan allows it.
#[test]
fn what_the_plan_does_not_allow_is_stale() {
    let node = Node::new();
    upgraded(&node);
    node.act(turn(WayClass::Keep));
    node.act(Op::Stop);
    assert!(node.fault(Op::SwapBack, FaultKind::Stale).contains("put-back"));
    assert_eq!(node.version(), NEW);
}

#[test]
fn the_stopped_copy_follows_from_wherever_the_swap_back_was() {
    // Not begun, done, and done with the old version started on the data.
    for done in 0..3 {
        let node = node();
        let kept = upgraded(&node);
        node.act(turn(WayClass::Binary));
        node.act(Op::Stop);
        for op in [Op::SwapBack, Op::Start].into_iter().take(done) {
            node.act(op);
        }
        if done == 2 {
            node.put("/registry/configmaps/default/after", "by the old version");
        }
        node.act(turn(WayClass::Keep));
        node.act(Op::Stop);
        assert!(matches!(node.probe(Op::PutBack { seen: 0 }), StepProbe::NotDone), "{done}");
        let Reply::PutBack(proof) = node.act(Op::PutBack { seen: 0 }) else { panic!() };
        assert_eq!((node.version(), node.live()), (OLD, kept));
        assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
        let lost: Vec<&str> = proof.lost.iter().map(|lost| lost.name.as_str()).collect();
        assert_eq!(lost, if done == 2 { vec!["after", "created"] } else { vec!["created"] });
        let revision: i64 = node.database().query_row("SELECT MAX(id) FROM kine", (), |row| row.get(0)).unwrap();
        assert_eq!(revision, 1040, "above what clients saw of either version");
        node.act(Op::Start);
        node.act(Op::Release { keep_way_back: false });
        assert_eq!(node.folded().ended.as_deref(), Some("restored"));
        assert!(fs::exists(&proof.abandoned).unwrap(), "the abandoned data are set aside");
    }
}

#[test]
fn a_boot_finishes_the_class_that_was_decided() {
    // Told to swap back: the data stay, whatever has written to them.
    let node = node();
    upgraded(&node);
    node.act(turn(WayClass::Binary));
    for _boot in 0..2 {
        node.boot();
        assert_eq!(recover(&node.places), [format!("run {}: swapped back", node.run)]);
        assert_eq!(node.version(), OLD);
        assert!(has_copy(&node) && has_written(&node, "created"));
    }
    // Told that it fell: the copy follows, once.
    let mut node = node;
    node.generation = node.folded().generation + 1;
    node.act(turn(WayClass::Keep));
    node.boot();
    assert_eq!(recover(&node.places), [format!("run {}: put back", node.run)]);
    assert!(!has_written(&node, "created"));
    node.boot();
    assert_eq!(recover(&node.places), [format!("run {}: was put back already", node.run)]);
    assert_eq!(node.version(), OLD);
}

/// Killed between the lines of a swap-back, and of the put-back that follows it: asked again, or booted, the same end.
#[test]
fn what_was_cut_after_any_line_is_finished_to_the_same_end() {
    for by_boot in [false, true] {
        // The binary was exchanged, the links under `data/` were not.
        let node = node();
        upgraded(&node);
        node.act(turn(WayClass::Binary));
        node.act(Op::Stop);
        let (binary, slot) = (node.path("bin/k3s"), node.path(&format!("bin/.k3s.belay-{}", node.run)));
        belay_journal::durable::exchange(&slot, &binary).unwrap();
        assert!(matches!(node.probe(Op::SwapBack), StepProbe::Partial { .. }));
        if by_boot {
            node.boot();
            assert_eq!(recover(&node.places), [format!("run {}: swapped back", node.run)]);
        } else {
            node.act(Op::SwapBack);
        }
        assert_eq!((node.version(), node.current()), (OLD, node.path("k3s/data").join(hash_of(OLD))));
        assert!(has_copy(&node) && has_written(&node, "created"));
        for lines in 0..=7 {
            let node = self::node();
            let kept = upgraded(&node);
            for op in [turn(WayClass::Binary), Op::Stop, Op::SwapBack, Op::Start, turn(WayClass::Keep), Op::Stop] {
                node.act(op);
            }
            super::back::interrupted(&node, lines);
            if by_boot {
                node.boot();
                assert_eq!(recover(&node.places), [format!("run {}: put back", node.run)], "after {lines} lines");
            } else {
                node.act(Op::PutBack { seen: 0 });
            }
            assert_eq!((node.version(), node.live()), (OLD, kept), "after {lines} lines, by boot: {by_boot}");
            assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
        }
    }
}

/// Turned before the new version ran: the same swap-back, and the copy goes with the release.
#[test]
fn before_the_new_version_ran_it_is_the_same_way_back() {
    for done in [5, 6, 7] {
        let node = node();
        node.forward(done);
        let before = node.live();
        node.act(turn(WayClass::Binary));
        node.act(Op::SwapBack);
        assert_eq!((node.version(), node.live()), (OLD, before));
        node.act(Op::Start);
        node.act(Op::Release { keep_way_back: false });
        assert!(!has_copy(&node));
        assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    }
}

/// Found by the simulation, seed 144846: a boot had started the new version, the guard swapped back, and nobody knew any more that it
/// had run: where the old version was not well on its data, the stopped copy could not follow.
#[test]
fn a_swap_back_tells_that_the_new_version_had_run_whoever_started_it() {
    for (state, ran) in [("invocation=99", true), ("invocation=1", false)] {
        let node = node();
        node.forward(7);
        let lived = node.folded().kept.unwrap().invocation;
        assert_eq!(lived, "1", "the life that was stopped for the copy");
        // It has died, and left no trace in the data: of systemd's unit it is told.
        node.set_unit(&format!("active=inactive\nsub=dead\nresult=success\n{state}\nrestarts=0\n"));
        node.act(turn(WayClass::Binary));
        for _again in 0..2 {
            let Reply::Swapped(proof) = node.act(Op::SwapBack) else { panic!() };
            assert_eq!(proof.new_ran, ran);
        }
        assert_eq!((node.version(), node.folded().new_started), (OLD, ran));
        assert!(has_copy(&node));
    }
}
