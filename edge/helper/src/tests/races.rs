//! What others do at the same time as a step: start K3s, read its datastore, go away, fill the disk.

use belay_wire::{FaultKind, Op};

use super::node::{NEW, Node, OLD};

#[test]
fn a_swap_back_after_the_new_version_ran_rewinds_to_a_put_back_instead_of_needing_a_human() {
    let node = Node::new();
    node.forward(7);
    // A boot brought the new version up, before an intent of ours to start it.
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.act(Op::Turn { seen: 0, why: "test".into() });
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
    node.act(Op::Turn { seen: 0, why: "test".into() });
    node.act(Op::Stop);
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=99\nrestarts=0\n");
    node.fault(Op::PutBack { seen: 0 }, FaultKind::Stale);
    assert_eq!(node.version(), NEW);
    node.act(Op::Stop);
    node.act(Op::PutBack { seen: 0 });
    assert_eq!(node.version(), OLD);
}
