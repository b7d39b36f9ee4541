//! A swap that was cut off under its marker.

use std::fs;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op, StepProbe};

use super::guard::{abandoned, assert_old};
use super::node::{NEW, Node, OLD};
use crate::recover;

fn turn() -> Op {
    Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() }
}

/// Everything up to a swap whose helper was killed under the marker, before or after the exchange. It has begun once before,
/// so its intent is there.
fn cut(exchanged: bool) -> Node {
    let node = Node::new();
    for op in node.guarded_steps().into_iter().take(7) {
        node.act(op);
    }
    let unit = node.path("unit/on-show");
    let marker = node.path("k3s/.belay-put-back");
    fs::write(&unit, format!("if [ -e {} ]; then active=active; sub=running; invocation=99; fi\n", marker.display()))
        .unwrap();
    node.fault(Op::Swap, FaultKind::Stale);
    fs::remove_file(unit).unwrap();
    fs::write(&marker, "Belay run is exchanging\n").unwrap();
    if exchanged {
        let slot = node.path(&format!("bin/.k3s.belay-{}", node.run));
        belay_journal::durable::exchange(&slot, &node.path("bin/k3s")).unwrap();
    }
    node
}

fn is_marked(node: &Node) -> bool {
    node.path("k3s/.belay-put-back").exists()
}

/// Found by the simulation, seeds 180001 and 386486: K3s was started by hand after the last look of a swap, the power went after
/// its exchange and before it looked again, and the next try took the exchange for proof that the copy is exact. What the old
/// version had written went with the put-back. The exchange is made under the marker now, so that it is a proof.
#[test]
fn what_the_old_version_wrote_before_a_swap_that_was_cut_off_is_in_the_copy() {
    for exchanged in [false, true] {
        let node = cut(exchanged);
        // By hand, to a systemd that asserts as our drop-in of the unit says.
        let by_hand = std::process::Command::new(node.path("bin/systemctl"))
            .args(["--no-block", "start", "k3s.service"])
            .status();
        assert!(by_hand.unwrap().success() && !node.active());
    }
}

#[test]
fn a_swap_that_was_cut_off_is_done_again_or_taken_back_and_its_marker_goes() {
    for exchanged in [false, true] {
        let node = cut(exchanged);
        let expected = if exchanged { "Partial" } else { "NotDone" };
        assert!(format!("{:?}", node.probe(Op::Swap)).starts_with(expected));
        node.act(Op::Swap);
        assert!(matches!(node.probe(Op::Swap), StepProbe::Done { .. }));
        assert_eq!((node.version(), is_marked(&node)), (NEW, false));

        let node = cut(exchanged);
        let before = node.live();
        node.act(turn());
        assert!(!matches!(node.probe(Op::SwapBack), StepProbe::Done { .. }));
        node.act(Op::SwapBack);
        assert_eq!((node.version(), is_marked(&node)), (OLD, false));
        node.act(Op::Start);
        assert!(node.active());
        node.act(Op::Release { keep_way_back: false });
        assert_eq!(node.live(), before);
    }
}

#[test]
fn nobody_is_kept_down_by_the_marker_of_a_swap_that_was_cut_off() {
    for exchanged in [false, true] {
        let node = cut(exchanged);
        node.boot();
        let said = recover(&node.places);
        assert!(said[0].contains("a swap that was cut off"), "{said:?}");
        assert_eq!((node.version(), is_marked(&node)), (if exchanged { NEW } else { OLD }, false));

        let node = cut(exchanged);
        node.act(turn());
        node.boot();
        assert_eq!(recover(&node.places), [format!("run {}: swapped back", node.run)]);
        assert_eq!((node.version(), is_marked(&node)), (OLD, false));

        let node = cut(exchanged);
        let before = node.live();
        abandoned(&node);
        assert_old(&node, &before);
    }
}
