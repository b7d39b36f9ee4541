//! A guard that is killed after any record of its own, and run again: the same end.

use belay_facts::{Span, WayClass};
use belay_wire::Op;

use super::guard::assert_old;
use super::node::{LEASE, Node};
use crate::guard::guard;
use crate::node_journal::cut;

/// An upgrade that its coordinator left after `done` steps; class binary where `class` says so.
fn left(done: usize, class: WayClass) -> Node {
    let mut node = Node::new();
    node.target.way_back = class;
    for op in node.guarded_steps().into_iter().take(done) {
        node.act(op);
    }
    if done == 9 {
        node.put("/registry/configmaps/default/created", "new");
    }
    node.later(LEASE + Span::seconds(1));
    node
}

#[test]
fn a_guard_that_was_killed_after_any_record_is_run_again_to_the_same_end() {
    let mut points = 0;
    for class in [WayClass::Keep, WayClass::Binary] {
        for done in 6..=9 {
            let kept = Node::new().live();
            let whole = left(done, class);
            let before = whole.folded().records;
            assert_eq!(guard(&whole.places).len(), 1);
            let records = usize::try_from(whole.folded().records - before).unwrap();
            let expected = if class == WayClass::Binary && done == 9 { whole.live() } else { kept };
            assert_old(&whole, &expected);
            for twice in [false, true] {
                for record in 0..records {
                    let node = left(done, class);
                    for _ in 0..if twice { 2 } else { 1 } {
                        cut::after(Some(record));
                        let said = guard(&node.places);
                        cut::after(None);
                        assert_eq!(said.len(), 1, "killed after {record}");
                        node.later(Span::seconds(60));
                    }
                    // The second may have had so little left that it ended before its kill.
                    let said = guard(&node.places);
                    assert!(said.len() == 1 || twice, "killed after {record}: {said:?}");
                    assert_old(&node, &expected);
                    points += 1;
                }
            }
        }
    }
    println!("{points} schedules, each killed after one record of its guard, once or twice");
    assert!(points > 100, "{points}");
}

/// Killed, and the node boots instead of running the guard again.
#[test]
fn a_guard_that_was_killed_and_whose_node_boots_ends_on_the_old_version() {
    let kept = Node::new().live();
    for record in 0..12 {
        let node = left(9, WayClass::Keep);
        cut::after(Some(record));
        let _said = guard(&node.places);
        cut::after(None);
        node.boot_with_k3s();
        node.later(LEASE + Span::seconds(1));
        let _said = guard(&node.places);
        assert_old(&node, &kept);
    }
}

/// Before the stop there is nothing to take back, only a node to be let go.
#[test]
fn a_release_by_the_guard_that_was_killed_is_finished() {
    for record in 0..4 {
        let node = left(5, WayClass::Keep);
        cut::after(Some(record));
        let _said = guard(&node.places);
        cut::after(None);
        node.later(Span::seconds(60));
        let _said = guard(&node.places);
        assert_eq!(node.folded().ended.as_deref(), Some("unchanged"), "killed after {record}");
        assert!(!node.jobs().contains("stop"));
        let _fenced = node.ask(Op::Stop).unwrap_err();
    }
}
