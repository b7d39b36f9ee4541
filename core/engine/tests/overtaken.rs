//! Two coordinators of one run, each with a copy of its journal: whoever was overtaken leaves the run to the other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail; the exemption in clippy.toml reaches only functions marked as tests"
)]

mod model;

use belay_engine::{Command, EndState, Event, FaultKind, Record, RunState};
use belay_facts::Span;
use model::{fault, live, made};

/// Found by the simulation, seeds 257371, 464798 and 613874: another coordinator had taken the node with the same run, further or to go
/// back, and the one whose fence was refused for that called the run unchanged and ended it. The other's guard went back later,
/// or its boot unit stayed, and nobody was left who could end the run on the node.
#[test]
fn a_fence_that_another_coordinator_of_the_run_has_raised_leaves_the_run_open() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.fence")).unwrap();
    for (kind, open) in [(FaultKind::Fenced, true), (FaultKind::Refused, false)] {
        let mut state = RunState::replay(&plan, &records[..=begun]).unwrap();
        let apply = |state: &mut RunState, event| {
            state.apply(&plan, &Record { event, generation: 3, ..records[begun].clone() }).unwrap();
        };
        let (proof, took) = (serde_json::Value::Null, Span::ZERO);
        let outcome = Event::Outcome { step: "n1.fence".into(), ok: false, proof, fault: fault(kind), took };
        apply(&mut state, outcome);
        if open {
            assert!(matches!(state.next(&plan), Command::Leave { .. }), "{:?}", state.next(&plan));
            assert_eq!(state.ask_back(&plan, "Ctrl-C"), None);
            apply(&mut state, Event::Resumed { by: "t".into(), belay: "0".into(), back: false });
            assert!(matches!(state.next(&plan), Command::Probe { .. }), "{:?}", state.next(&plan));
        } else {
            // Another run holds the node: this one has changed nothing, and ends.
            let Command::Turn { reached, cause } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
            apply(&mut state, Event::Turn { reached, cause });
            assert!(matches!(state.next(&plan), Command::End { state: EndState::Unchanged, .. }));
        }
    }
}
