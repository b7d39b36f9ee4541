//! What others do at the same time as a step: start K3s, read its datastore, go away, fill the disk.

use std::fs;

use belay_facts::WayClass;
use belay_wire::{FaultKind, Op};

use super::node::{NEW, Node, OLD};
use crate::recover;

#[test]
fn a_swap_back_after_the_new_version_ran_rewinds_to_a_put_back_instead_of_needing_a_human() {
    let node = Node::new();
    node.forward(7);
    // A boot brought the new version up, before an intent of ours to start it.
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.fault(Op::SwapBack, FaultKind::Stale);
    node.act(Op::Stop);
    node.fault(Op::SwapBack, FaultKind::Stale);
    node.act(Op::PutBack { seen: 0 });
    assert_eq!(node.version(), OLD);
}

#[test]
fn a_put_back_of_a_k3s_that_runs_again_rewinds_to_stop_instead_of_needing_a_human() {
    let node = Node::new();
    node.forward(8);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::Stop);
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.fault(Op::PutBack { seen: 0 }, FaultKind::Stale);
    assert_eq!(node.version(), NEW);
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 0 });
    assert_eq!(node.version(), OLD);
}

/// K3s is started by hand while the two datastores are compared: it must not be exchanged under itself.
#[test]
fn a_k3s_that_starts_while_a_put_back_is_decided_is_seen_under_the_marker() {
    let node = Node::new();
    node.forward(8);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::Stop);
    let unit = node.root.path().join("unit");
    // The first look finds it down; once the marker lies there, it runs.
    let marker = node.root.path().join("k3s/.belay-put-back");
    fs::write(
        unit.join("on-show"),
        format!("if [ -e {} ]; then active=active; sub=running; invocation=99; fi\n", marker.display()),
    )
    .unwrap();
    node.fault(Op::PutBack { seen: 0 }, FaultKind::Stale);
    assert_eq!(node.version(), NEW, "nothing was exchanged");
    assert!(!marker.exists(), "the marker of a decision that was not made goes again");
    fs::remove_file(unit.join("on-show")).unwrap();
    node.act(Op::PutBack { seen: 0 });
    assert_eq!(node.version(), OLD);
}

/// The old version is started between the first look and the exchange: its writes are not in the copy. The last look is under
/// the marker, so nothing starts after it.
#[test]
fn a_k3s_that_starts_during_the_swap_makes_the_copy_stale_and_nothing_is_swapped() {
    let node = Node::new();
    node.forward(6);
    let (unit, marker) = (node.root.path().join("unit"), node.path("k3s/.belay-put-back"));
    fs::write(
        unit.join("on-show"),
        format!("if [ -e {} ]; then active=active; sub=running; invocation=99; fi\n", marker.display()),
    )
    .unwrap();
    node.fault(Op::Swap, FaultKind::Stale);
    fs::remove_file(unit.join("on-show")).unwrap();
    assert_eq!((node.version(), marker.exists()), (OLD, false));
    node.act(Op::Swap);
    assert_eq!((node.version(), marker.exists()), (NEW, false));
}

/// Found by the simulation, seed 579968: the new version was started by hand between the last look of a swap-back and its exchange,
/// died, and the old version was then started on data that the new one had migrated.
#[test]
fn a_new_version_that_runs_during_a_swap_back_makes_it_stale() {
    for (state, there) in [("active=active; sub=running; ", "it runs"), ("", "it has run and is gone")] {
        let node = Node::new();
        node.forward(7);
        node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
        let (unit, marker) = (node.root.path().join("unit"), node.path("k3s/.belay-put-back"));
        // Between the first look and the one under the marker, after which nothing starts.
        let starts = format!("if [ -e {} ]; then {state}invocation=99; fi\n", marker.display());
        fs::write(unit.join("on-show"), starts).unwrap();
        node.fault(Op::SwapBack, FaultKind::Stale);
        fs::remove_file(unit.join("on-show")).unwrap();
        assert_eq!((node.version(), marker.exists()), (NEW, false), "{there}: nothing was swapped back");
        assert!(node.path(&format!("k3s/server.belay-{}", node.run)).exists(), "{there}: the copy stays");
    }
}

/// Found by the simulation, seed 503819: a boot had started the new version, the coordinator found its start done, and after another
/// power cut nothing on the node said that it had run.
#[test]
fn a_start_that_is_found_done_is_one_of_the_new_version() {
    let node = Node::new();
    node.forward(7);
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.act(Op::Start);
    assert!(node.folded().new_started);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.boot();
    assert!(recover(&node.places)[0].ends_with("put back"), "by the record, whatever the data look like");
}

/// Weeks after a run that needed a human, a reboot must not put the old copy back without a question.
#[test]
fn a_run_that_needs_a_human_is_not_taken_back_by_a_boot() {
    let node = Node::new();
    node.forward(8);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::StandDown { why: "test".into() });
    let _said = recover(&node.places);
    assert_eq!(node.version(), NEW);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "resumed".into() });
    let _said = recover(&node.places);
    assert_eq!(node.version(), OLD);
}

/// A token that would stop the way back is found while K3s still runs, not with K3s down.
#[test]
fn a_token_that_does_not_match_refuses_the_fence() {
    let node = Node::new();
    fs::write(node.path("etc/rancher/k3s/config.yaml"), "token: another\n").unwrap();
    let said = node.fault(node.fence(), FaultKind::Refused);
    assert!(said.contains("token") && !said.contains("another"), "{said}");
}
