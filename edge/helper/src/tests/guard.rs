//! The node finishes alone: a guard at every point of a run, and beside a coordinator.

use std::fs;

use belay_facts::{CopyKind, Span, WayClass};
use belay_wire::{FaultKind, Op, Reply, StepProbe};

use super::node::{LEASE, NEW, Node, OLD, hash_of};
use super::restore::{prepared, taking_back, the};
use crate::guard::{TRIES, guard};
use crate::lease::{Renewal, renew};
use crate::recover;

/// Nobody is heard of for longer than the lease, and the timer looks.
#[track_caller]
pub fn abandoned(node: &Node) -> String {
    node.later(LEASE + Span::seconds(1));
    let said = guard(&node.places);
    assert_eq!(said.len(), 1, "{said:?}");
    said.into_iter().next().unwrap()
}

/// The old version runs from its path and its links, and a coordinator that comes late is refused.
#[track_caller]
pub fn assert_old(node: &Node, kept: &[(String, String)]) {
    assert_eq!((node.version(), node.active()), (OLD, true));
    assert_eq!(node.live(), kept);
    assert_eq!(node.current(), node.path("k3s/data").join(hash_of(OLD)));
    assert!(!node.path("k3s/.belay-put-back").exists());
    assert!(node.fault(Op::Start, FaultKind::Fenced).contains("taken over"));
    assert!(guard(&node.places).is_empty(), "it is done, and done once");
}

/// Every point of an upgrade, from the fence on: K3s up on the old version with the data of before, or nothing touched.
#[test]
fn a_guard_brings_every_point_of_an_upgrade_to_the_old_version() {
    for booted in [false, true] {
        for done in 1..=9 {
            let node = Node::new();
            let before = node.live();
            for op in node.guarded_steps().into_iter().take(done) {
                node.act(op);
            }
            if done == 9 {
                node.put("/registry/configmaps/default/created", "new");
            }
            if booted {
                node.boot_with_k3s();
            }
            if done < 5 {
                node.later(LEASE + LEASE);
                assert!(guard(&node.places).is_empty(), "not armed after {done}");
                continue;
            }
            let said = abandoned(&node);
            if done == 5 {
                assert!(said.contains("released"), "{said}");
                assert_eq!(node.folded().ended.as_deref(), Some("unchanged"));
                assert!(!node.jobs().contains("stop") && !node.places.guard_timer().exists());
                assert_eq!((node.version(), node.live()), (OLD, before));
                continue;
            }
            assert_old(&node, &before);
            let run = node.folded();
            let tale = run.guard.unwrap();
            assert_eq!((tale.attempt, tale.lease), (1, LEASE));
            assert!(tale.silent > LEASE && tale.did.unwrap().contains(OLD), "after {done}");
            assert!(run.turned.is_some() && run.ended.is_none(), "`resume` asks the gates");
        }
    }
}

/// The gates had said yes: the new version stays, whoever is gone, also over a boot.
#[test]
fn what_was_vouched_for_stays() {
    let node = Node::new();
    for op in node.guarded_steps().into_iter().chain([Op::Vouch]) {
        node.act(op);
    }
    let before = super::node::listing(&node.path("k3s"));
    for booted in [false, true] {
        if booted {
            node.boot_with_k3s();
        }
        node.later(LEASE + LEASE);
        assert!(guard(&node.places).is_empty());
        assert_eq!((node.version(), super::node::listing(&node.path("k3s"))), (NEW, before.clone()));
    }
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(node.folded().ended.as_deref(), Some("committed"), "nothing was fenced");
    // Vouched for, and turned since: a soak said no, and the coordinator died in the way back.
    let node = Node::new();
    let kept = node.live();
    for op in node.guarded_steps().into_iter().chain([Op::Vouch]) {
        node.act(op);
    }
    node.act(Op::Turn { seen: 9, class: WayClass::Keep, why: "n1.soak: readyz".into() });
    node.act(Op::Stop);
    abandoned(&node);
    assert_old(&node, &kept);
}

/// A way back that its coordinator left after any of its steps and lines.
#[test]
fn a_guard_finishes_a_put_back_from_wherever_it_was_left() {
    for lines in 0..=8 {
        let node = Node::new();
        let kept = node.live();
        for op in node.guarded_steps() {
            node.act(op);
        }
        node.put("/registry/configmaps/default/created", "new");
        node.act(Op::Turn { seen: 9, class: WayClass::Keep, why: "test".into() });
        node.act(Op::Stop);
        match lines {
            8 => drop(node.act(Op::PutBack { seen: 9 })),
            lines => super::back::interrupted(&node, lines),
        }
        abandoned(&node);
        assert_old(&node, &kept);
        assert!(node.folded().put_back.is_some(), "after {lines} lines");
    }
}

/// A restore that nobody vouched for goes back to the present, decided, half done, or started.
#[test]
fn a_guard_takes_a_restore_back_to_the_present() {
    for (done, booted) in [(0, false), (1, false), (2, false), (2, true)] {
        let mut node = Node::new();
        node.forward(8);
        node.act(Op::Vouch);
        node.act(Op::Release { keep_way_back: true });
        node.put("/registry/configmaps/default/created", "new");
        let present = node.live();
        let earlier = the(&node, CopyKind::Kept);
        taking_back(&mut node, &earlier);
        prepared(&node, &earlier);
        node.act(Op::ArmGuard { lease: LEASE });
        for op in [Op::Restore { seen: 40 }, Op::Start].into_iter().take(done) {
            node.act(op);
        }
        if booted {
            node.boot_with_k3s();
        }
        abandoned(&node);
        assert_eq!((super::restore::version(&node), node.live(), node.active()), (NEW, present, true), "{done}");
        assert!(!node.path("k3s/.belay-put-back").exists());
    }
}

/// Class binary: the data stay; where the old version does not come up on them, the stopped copy follows.
#[test]
fn a_guard_goes_back_by_the_class_of_the_plan() {
    for holds in [true, false] {
        let mut node = Node::new();
        node.target.way_back = WayClass::Binary;
        let kept = node.live();
        for op in node.guarded_steps() {
            node.act(op);
        }
        node.put("/registry/configmaps/default/created", "new");
        let written = node.live();
        if !holds {
            // It dies on what the new version wrote.
            let database = node.path("k3s/server/db/state.db-wal");
            let fails = format!(
                "if grep -q default/created {} {}; then active=failed; sub=failed; result=exit-code; fi\n",
                database.display(),
                node.path("k3s/server/db/state.db").display()
            );
            fs::write(node.path("unit/on-start"), fails).unwrap();
        }
        abandoned(&node);
        assert_old(&node, if holds { &written } else { &kept });
        let run = node.folded();
        assert_eq!((run.fell(), run.put_back.is_some()), (!holds, !holds));
    }
}

/// Its tries are counted in the journal: then it needs a human, is disarmed, and K3s is not left down (I18).
#[test]
fn a_guard_that_cannot_go_back_stops_trying() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    // The old version never comes up.
    fs::write(node.path("unit/on-start"), "active=failed; sub=failed; result=exit-code\n").unwrap();
    for attempt in 1..=TRIES {
        let said = abandoned(&node);
        assert_eq!(node.folded().guard_tries, attempt);
        assert_eq!(said.contains("needs a human"), attempt == TRIES, "{said}");
    }
    assert!(node.folded().stood_down && !node.places.guard_timer().exists());
    node.later(LEASE);
    let jobs = node.jobs();
    assert!(guard(&node.places).is_empty(), "nor does it begin again");
    assert_eq!(node.jobs(), jobs);
    assert!(jobs.ends_with("start\n"));
    // A token that does not match is for a human at once, and one whole version runs.
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    fs::write(node.path("etc/systemd/system/k3s.service.env"), "K3S_TOKEN=canary-other\n").unwrap();
    let said = abandoned(&node);
    assert!(said.contains("needs a human") && said.contains("token") && !said.contains("canary"), "{said}");
    assert!(node.active() && node.folded().guard_tries == 1);
}

/// Whoever holds the lock acts, so the node is not alone; what a step has just written is a sign of life.
#[test]
fn a_guard_and_a_coordinator_at_once_act_one_after_the_other() {
    let node = Node::new();
    for op in node.guarded_steps().into_iter().take(8) {
        node.act(op);
    }
    node.later(LEASE + LEASE);
    {
        let _step = crate::mutate::node_lock(&node.places, std::time::Duration::ZERO).unwrap();
        assert!(guard(&node.places).is_empty());
    }
    // The step ends just before the guard looks.
    node.act(Op::Start);
    assert!(guard(&node.places).is_empty());
    // And the guard just before the step begins.
    node.later(LEASE + LEASE);
    assert_eq!(guard(&node.places).len(), 1);
    assert!(node.fault(Op::Vouch, FaultKind::Fenced).contains("taken over"));
    assert_eq!((node.version(), node.active(), node.folded().vouched), (OLD, true, false));
}

/// `resume` after the guard: the way back is there, with its proof, and the run ends as restored.
#[test]
fn a_resumed_coordinator_finds_everything_done_and_ends_the_run() {
    let mut node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.put("/registry/configmaps/default/created", "new");
    abandoned(&node);
    let jobs = node.jobs();
    node.generation = node.folded().generation + 1;
    renew(&node.places, &mut Renewal::default(), (&node.run, node.generation), None).unwrap();
    let StepProbe::Done { .. } = node.probe(Op::PutBack { seen: 0 }) else { panic!("it is done") };
    let Reply::PutBack(proof) = node.act(Op::PutBack { seen: 0 }) else { panic!() };
    assert_eq!(proof.lost.iter().map(|lost| lost.name.as_str()).collect::<Vec<_>>(), ["created"]);
    node.act(Op::Start);
    assert_eq!(node.jobs(), jobs, "nothing is stopped or started twice");
    node.act(Op::Release { keep_way_back: false });
    assert_eq!(node.folded().ended.as_deref(), Some("restored"));
    assert!(!node.places.guard_timer().exists());
}

/// A coordinator that left the way back of its resume half done is guarded like the first (a fall, a stop).
#[test]
fn a_second_coordinator_that_goes_away_is_guarded_as_well() {
    let mut node = Node::new();
    node.target.way_back = WayClass::Binary;
    let kept = node.live();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.put("/registry/configmaps/default/created", "new");
    abandoned(&node);
    node.generation = node.folded().generation + 1;
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "n1.back.gate: identity".into() });
    node.act(Op::Stop);
    abandoned(&node);
    assert_old(&node, &kept);
}

/// A boot in the middle of the guard's own way back finishes that, and the guard has nothing more to do than to say so.
#[test]
fn a_boot_finishes_what_a_guard_began() {
    let node = Node::new();
    let kept = node.live();
    for op in node.guarded_steps() {
        node.act(op);
    }
    // Fence, begin, turn, and the intent to stop.
    crate::node_journal::cut::after(Some(3));
    node.later(LEASE + Span::seconds(1));
    assert_eq!(guard(&node.places).len(), 1);
    crate::node_journal::cut::after(None);
    node.boot();
    assert!(recover(&node.places)[0].ends_with("put back"));
    assert!(guard(&node.places).is_empty(), "its first look after a boot");
    assert_eq!((node.version(), node.live()), (OLD, kept.clone()));
    node.set_unit("active=active\nsub=running\nresult=success\ninvocation=901\nrestarts=0\n");
    let jobs = node.jobs();
    abandoned(&node);
    assert_eq!(node.jobs(), jobs, "K3s runs the old version and is left alone");
    assert_old(&node, &kept);
}
