//! Bugs that are switched on, each with the check that finds it. The switch is process-wide, so each runs in a process of
//! its own: this test's own program, asked for one ignored test.
#![cfg(feature = "mutants")]

use std::process::{Command, Stdio};

use belay_facts::{Mutant, Span, mutate};
use belay_wire::{FaultKind, Frame, Op, Reply, Request, Way, read_frame, write_frame};

use super::node::{LEASE, NEW, Node, OLD};
use crate::guard::guard;
use crate::serve::{Link, serve};

const MUTANTS: [Mutant; 5] = [
    Mutant::GuardWithoutFence,
    Mutant::GuardIgnoresVouch,
    Mutant::GuardByCalendar,
    Mutant::CommitLeavesGuard,
    Mutant::NeverRenew,
];

fn armed(steps: usize) -> Node {
    let node = Node::new();
    for op in node.guarded_steps().into_iter().take(steps) {
        node.act(op);
    }
    node
}

/// The requests, over one channel, with as much time before each.
fn asked(node: &Node, requests: &[Request], between: Span) -> Vec<Reply> {
    let (from, mut requests_in) = std::io::pipe().unwrap();
    let (mut replies_out, to) = std::io::pipe().unwrap();
    let places = node.places.clone();
    let helper = std::thread::spawn(move || serve(&places, Link::new(from, to)));
    let mut replies = Vec::new();
    for request in requests {
        node.later(between);
        write_frame(&mut requests_in, &Frame::Json(serde_json::to_vec(request).unwrap())).unwrap();
        replies.push(loop {
            let Frame::Json(json) = read_frame(&mut replies_out).unwrap() else { panic!("bytes") };
            match serde_json::from_slice(&json).unwrap() {
                Reply::Progress(_) => {}
                reply => break reply,
            }
        });
    }
    drop(requests_in);
    helper.join().unwrap().unwrap();
    replies
}

/// The check that is meant for each; it panics when the promise is broken.
fn check(mutant: Mutant) {
    match mutant {
        Mutant::GuardWithoutFence => {
            let node = armed(9);
            node.later(LEASE + Span::seconds(1));
            assert_eq!(guard(&node.places).len(), 1);
            assert_eq!(node.version(), OLD);
            let late = node.ask(Op::Vouch);
            assert!(late.is_err_and(|fault| fault.kind == FaultKind::Fenced), "a late coordinator was let through");
        }
        Mutant::GuardIgnoresVouch => {
            let node = armed(9);
            node.act(Op::Vouch);
            node.later(LEASE + Span::seconds(1));
            let said = guard(&node.places);
            assert_eq!((node.version(), said.len()), (NEW, 0), "what was vouched for was taken back");
        }
        Mutant::GuardByCalendar => {
            let node = armed(9);
            let mut lease = crate::lease::Lease::read(&node.places).unwrap();
            // As after a calendar that was set forward by an hour, on a node that heard of its coordinator just now.
            lease.heard.wall = 0;
            std::fs::write(node.places.lease(), serde_json::to_vec(&lease).unwrap()).unwrap();
            node.later(LEASE + Span::seconds(1));
            assert_eq!(guard(&node.places).len(), 1, "the boot clock did not fire it");
            assert_eq!(node.version(), OLD);
        }
        Mutant::CommitLeavesGuard => {
            let node = armed(9);
            node.act(Op::Vouch);
            node.act(Op::Release { keep_way_back: true });
            let there = node.places.guard_timer().exists() || node.places.lease().exists();
            assert!(!there, "something of the guard was left");
        }
        Mutant::NeverRenew => {
            let node = armed(9);
            let unit = node.target.unit.clone();
            let observe = Request::Observe { unit, data_dir: node.target.data_dir.clone(), digest: false };
            let start = Request::Mutate(node.mutation(Op::Start, Way::Do));
            // For longer than a lease in all, with a question every minute.
            let mut requests = vec![start];
            requests.extend((0..6).map(|_| observe.clone()));
            asked(&node, &requests, Span::seconds(60));
            let said = guard(&node.places);
            assert_eq!((node.version(), said.len()), (NEW, 0), "whoever asked all the while was taken for gone");
        }
        other => panic!("no check for {other}"),
    }
}

/// Not a test: what another process runs, with the bug that the variable names.
#[test]
#[ignore = "started by another test, as another process"]
fn one_check() {
    let named = std::env::var("BELAY_TEST_CHECK").unwrap();
    let mutant = MUTANTS.into_iter().find(|mutant| mutant.name() == named).unwrap();
    if std::env::var_os("BELAY_TEST_MUTATED").is_some() {
        mutate(Some(mutant));
    }
    check(mutant);
}

fn passes(mutant: Mutant, switched_on: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "tests::mutants::one_check"]).env("BELAY_TEST_CHECK", mutant.name());
    if switched_on {
        command.env("BELAY_TEST_MUTATED", "1");
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn every_mutant_of_the_guard_is_found_by_its_check() {
    for mutant in MUTANTS {
        assert!(passes(mutant, false), "{mutant}: its check fails without it");
        assert!(!passes(mutant, true), "{mutant}: nobody noticed");
    }
}
