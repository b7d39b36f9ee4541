//! The lease: armed, renewed, run out, and taken away again.

use std::fs;

use belay_facts::{Span, WayClass};
use belay_wire::{FaultKind, Op, Reply, StepProbe};

use super::guard::abandoned;
use super::node::{LEASE, NEW, Node, OLD};
use crate::guard::guard;
use crate::lease::{Lease, Renewal, renew};

#[test]
fn arming_installs_a_timer_of_our_own_that_nothing_of_k3s_can_wait_for() {
    let node = Node::new();
    node.forward(4);
    assert!(matches!(node.probe(Op::ArmGuard { lease: LEASE }), StepProbe::NotDone));
    let Reply::Armed(proof) = node.act(Op::ArmGuard { lease: LEASE }) else { panic!() };
    assert_eq!(proof.lease, LEASE);
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap();
    let (timer, service) = (read(node.places.guard_timer()), read(node.places.lease_unit()));
    assert!(timer.contains("\nOnUnitInactiveSec=5s\n") && timer.contains("\nUnit=belay-lease.service\n"));
    assert!(!timer.contains("OnCalendar"), "never by the calendar");
    assert!(service.contains("belay-helper guard\n"));
    // K3s' own kill script looks for these, and a start of K3s must never wait for what starts it.
    for text in [&timer, &service] {
        let ours = text.replace(&node.root.path().to_string_lossy().into_owned(), "");
        let argv = ours.lines().find(|line| line.starts_with("ExecStart=")).unwrap_or_default();
        assert!(!argv.contains("k3s") && !ours.contains("Before=") && !ours.contains("RequiredBy"), "{ours}");
    }
    assert!([belay_wire::GUARD_TIMER, belay_wire::LEASE_UNIT].iter().all(|name| !name.starts_with("k3s")));
    assert_eq!(fs::read_link(node.places.timer_wanted()).unwrap(), node.places.guard_timer());
    assert!(matches!(node.probe(Op::ArmGuard { lease: LEASE }), StepProbe::Done { .. }));
    // Armed again, after a kill: the same, and no second record of it.
    let records = node.folded().records;
    node.act(Op::ArmGuard { lease: LEASE });
    assert_eq!(node.folded().records, records);
    fs::write(node.path("unit/timer"), "inactive\n").unwrap();
    assert!(matches!(node.probe(Op::ArmGuard { lease: LEASE }), StepProbe::Partial { .. }));
    assert!(node.fault(Op::ArmGuard { lease: Span::seconds(5) }, FaultKind::Refused).contains("too short"));
}

#[test]
fn before_the_lease_is_over_nothing_is_done_and_after_a_boot_it_begins_anew() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.later(short_of(LEASE, Span::seconds(1)));
    assert!(guard(&node.places).is_empty());
    node.boot_with_k3s();
    node.later(short_of(LEASE, Span::seconds(1)));
    assert!(guard(&node.places).is_empty(), "the coordinator has the whole lease to come back in");
    assert_eq!(node.version(), NEW);
    node.later(Span::seconds(2));
    assert!(guard(&node.places)[0].contains("put back"));
    assert_eq!(node.version(), OLD);
}

/// Found by the crashes of the lab: a container has the boot clock of its host, so a node that had booted a second ago seemed
/// to have been alone for hours, and its guard went back before anybody could resume.
#[test]
fn a_boot_whose_clock_is_that_of_its_host_gives_a_whole_lease() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.later(LEASE + LEASE);
    node.boot();
    assert!(guard(&node.places).is_empty(), "the first look begins the lease again");
    node.later(short_of(LEASE, Span::seconds(1)));
    assert!(guard(&node.places).is_empty());
    assert_eq!(node.version(), NEW);
    node.later(Span::seconds(2));
    assert!(guard(&node.places)[0].contains("put back"));
}

/// So much before its end.
fn short_of(span: Span, by: Span) -> Span {
    Span::millis(span.as_millis() - by.as_millis())
}

/// Stood down by its coordinator, it is disarmed; told to go back again, it is armed again.
#[test]
fn whatever_needs_a_human_is_left_to_one() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "test".into() });
    node.act(Op::StandDown { why: "test".into() });
    assert!(!node.places.guard_timer().exists() && !node.places.timer_wanted().is_symlink());
    assert!(!node.places.lease().exists());
    node.later(LEASE + LEASE);
    assert!(guard(&node.places).is_empty());
    assert_eq!(node.version(), NEW);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "resumed".into() });
    assert_eq!(fs::read_to_string(node.path("unit/timer")).unwrap(), "active\n");
    abandoned(&node);
    assert_eq!(node.version(), OLD);
}

/// The end of a run leaves nothing that could act later.
#[test]
fn a_commit_and_a_release_disarm() {
    for commits in [true, false] {
        let node = Node::new();
        for op in node.guarded_steps().into_iter().take(if commits { 9 } else { 5 }) {
            node.act(op);
        }
        if commits {
            node.act(Op::Vouch);
        }
        node.act(Op::Release { keep_way_back: commits });
        for path in [node.places.guard_timer(), node.places.lease_unit(), node.places.lease()] {
            assert!(!path.exists(), "{}", path.display());
        }
        assert!(!node.places.timer_wanted().is_symlink());
        assert_eq!(fs::read_to_string(node.path("unit/timer")).unwrap(), "inactive\n");
    }
}

/// Found by reading, while the model was brought to the guard: a node that stood down never went back by itself again, though a
/// human had gone on with the run and the guard was armed anew.
#[test]
fn a_node_that_stood_down_is_armed_again() {
    let node = Node::new();
    node.forward(4);
    node.act(Op::ArmGuard { lease: LEASE });
    node.act(Op::StandDown { why: "test".into() });
    assert!(!matches!(node.probe(Op::ArmGuard { lease: LEASE }), StepProbe::Done { .. }));
    node.act(Op::ArmGuard { lease: LEASE });
    assert!(matches!(node.probe(Op::ArmGuard { lease: LEASE }), StepProbe::Done { .. }));
    assert!(!node.folded().stood_down);
    node.act(Op::Stop);
    abandoned(&node);
    assert_eq!((node.version(), node.active()), (OLD, true));
}

/// A coordinator that only waits renews; one that is late is refused by the same request, and one that has resumed is
/// known by it, so that the guard takes a higher generation.
#[test]
fn a_renewal_begins_the_lease_anew_and_only_for_whoever_holds_the_node() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    let mut renewal = Renewal::default();
    for _ in 0..3 {
        node.later(short_of(LEASE, Span::seconds(2)));
        renew(&node.places, &mut renewal, (&node.run, 1), None).unwrap();
        assert!(guard(&node.places).is_empty());
    }
    let written = Lease::read(&node.places).unwrap();
    renewal.heard(&node.places);
    assert_eq!(Lease::read(&node.places).unwrap(), written, "at most one write a second");
    node.later(Span::seconds(1));
    renewal.heard(&node.places);
    assert!(Lease::read(&node.places).unwrap().heard.up > written.heard.up);
    // Resumed, with gates to ask and nothing to change.
    renew(&node.places, &mut renewal, (&node.run, 2), None).unwrap();
    abandoned(&node);
    assert_eq!(node.folded().generation, 3, "above the one that it refuses");
    for late in [1, 2] {
        let refused = renew(&node.places, &mut renewal, (&node.run, late), None).unwrap_err();
        assert_eq!(refused.kind, FaultKind::Fenced, "{late}");
    }
    let before = Lease::read(&node.places);
    renewal.heard(&node.places);
    assert_eq!(Lease::read(&node.places), before, "and renews nothing any more");
    let other = renew(&node.places, &mut renewal, ("2026-01-01-aaaa", 9), None).unwrap_err();
    assert_eq!(other.kind, FaultKind::Refused, "a run that has not taken the node has no lease");
}

/// The calendar is set back and forward while the boot clock goes on: neither fires it nor holds it up.
#[test]
fn a_clock_that_is_set_changes_nothing() {
    for (wall, late) in [(0, false), (u64::MAX / 2, false), (0, true), (u64::MAX / 2, true)] {
        let node = Node::new();
        for op in node.guarded_steps() {
            node.act(op);
        }
        node.later(if late { LEASE } else { Span::seconds(60) });
        let mut lease = Lease::read(&node.places).unwrap();
        lease.heard.wall = wall;
        fs::write(node.places.lease(), serde_json::to_vec(&lease).unwrap()).unwrap();
        assert_eq!(guard(&node.places).len(), usize::from(late), "{wall} {late}");
        assert_eq!(node.version(), if late { OLD } else { NEW });
    }
}

/// Found by a power cut on a real node: a resume after it told the node that it goes on, heard that the run was over there, and the
/// record of that word stayed.
#[test]
fn a_word_to_a_run_that_is_over_began_a_lease() {
    let node = Node::new();
    for op in node.guarded_steps() {
        node.act(op);
    }
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(Lease::read(&node.places), None);
    let mut renewal = Renewal::default();
    renew(&node.places, &mut renewal, (&node.run, 2), None).unwrap();
    node.later(Span::seconds(2));
    renewal.heard(&node.places);
    assert_eq!(Lease::read(&node.places), None);
    assert_eq!(node.folded().generation, 1, "no record either");
}
