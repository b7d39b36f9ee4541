//! Two coordinators of one run, each with a copy of its journal: whoever was overtaken leaves the run to the other.

use belay_engine::{Command, EndState, Event, FaultKind, NodeTale, Record, RunState};
use belay_facts::Span;

use super::model::{Life, fault, live, made};

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

/// Refused by the fence, a process acts no more, and whatever it asked for stays unknown until a resume has looked.
#[test]
fn whoever_is_refused_by_the_fence_leaves_and_a_resume_goes_on() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.swap")).unwrap();
    let mut state = RunState::replay(&plan, &records[..=begun]).unwrap();
    let mut record = records[begun].clone();
    let refused = fault(FaultKind::Fenced);
    let (proof, took) = (serde_json::Value::Null, belay_facts::Span::ZERO);
    record.event = Event::Outcome { step: "n1.swap".into(), ok: false, proof, fault: refused, took };
    state.apply(&plan, &record).unwrap();
    assert!(matches!(state.next(&plan), Command::Leave { .. }), "{:?}", state.next(&plan));
    record.generation += 2;
    record.event = Event::Resumed { by: "test".into(), belay: "0".into(), back: false };
    state.apply(&plan, &record).unwrap();
    assert!(matches!(state.next(&plan), Command::Probe { .. }), "{:?}", state.next(&plan));
}

/// A coordinator that slept while somebody else took the node: it asks for nothing more, and what it was doing is found out
/// by whoever resumes, instead of being taken for a failure.
#[test]
fn a_superseded_coordinator_leaves_the_run_open_and_a_resume_finds_out() {
    let plan = made();
    let mut life = Life { plan: &plan, records: Vec::new(), state: RunState::default(), generation: 1 };
    let (from, to) = (plan.from.clone(), plan.to.clone());
    life.record(Event::Open { plan: plan.digest, from, to, by: "t".into(), belay: "0".into() });
    loop {
        let Command::Do { step, attempt } = life.state.next(&plan) else { panic!("no step") };
        life.record(Event::Intent { step: step.id.clone(), attempt });
        let late = step.kind == belay_plan::StepKind::Commit;
        let fault = if late { fault(FaultKind::Fenced) } else { None };
        let took = belay_facts::Span::ZERO;
        life.record(Event::Outcome { step: step.id, ok: !late, proof: serde_json::Value::Null, fault, took });
        if late {
            break;
        }
    }
    assert!(matches!(life.state.next(&plan), Command::Leave { .. }), "{:?}", life.state.next(&plan));
    assert_eq!(life.state.ask_back(&plan, "Ctrl-C"), None, "it decides nothing for the node any more");
    // Found by seed 20379 of the simulation: what the node had done was adopted again and again.
    let tale = NodeTale { turned: true, ..NodeTale::default() };
    assert_eq!(life.state.adopted_turn(&plan, &tale), None);
    life.generation += 1;
    life.record(Event::Resumed { by: "t".into(), belay: "0".into(), back: false });
    assert!(matches!(life.state.next(&plan), Command::Probe { step } if step.id == "n1.commit"), "not a turn");

    // A note to the node that was refused says the same.
    life.record(Event::Superseded { says: "generation 9 holds it".into() });
    assert!(matches!(life.state.next(&plan), Command::Leave { why } if why.contains("generation 9")));
}
