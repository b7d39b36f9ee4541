//! After an end that needed a human: what a resume begins anew, and what it does not forget.

use belay_engine::{Command, EndState, Event, FaultKind, RunState};
use belay_plan::Reached;

use super::model::{Fate, fault, live, made};

/// Exit 4 is no dead end: whoever has mended the cause resumes, and the way back is finished.
#[test]
fn a_run_that_needed_a_human_can_be_resumed() {
    let plan = made();
    let mut fates = vec![Fate::Fine; 11];
    fates.extend([Fate::Fails; 3]);
    let (_, end, records) = live(&plan, false, &fates);
    assert_eq!(end, EndState::NeedsHuman);
    let mut state = RunState::replay(&plan, &records).unwrap();
    let mut resumed = records.last().unwrap().clone();
    resumed.generation += 1;
    resumed.event = Event::Resumed { by: "test".into(), belay: "0".into(), back: false };
    state.apply(&plan, &resumed).unwrap();
    assert!(matches!(state.next(&plan), Command::Do { attempt: 1, .. }), "{:?}", state.next(&plan));
    assert!(state.turn().is_some(), "it still goes back");
}

/// Found by the simulation: a gate of the way back said no because K3s had been restarted. The human had mended it, and every
/// resume asked about the life that was over, because `start` counted as done.
#[test]
fn after_a_human_a_gate_is_asked_about_the_life_that_runs() {
    let plan = made();
    let (_, _, mut records) = live(&plan, false, &[]);
    let gate = |r: &belay_engine::Record| matches!(&r.event, Event::Outcome { step, .. } if step == "n1.back.gate");
    records.truncate(records.iter().position(gate).unwrap());
    let mut state = RunState::replay(&plan, &records).unwrap();
    let mut next = records.last().unwrap().clone();
    let (step, took) = ("n1.back.gate".to_owned(), belay_facts::Span::ZERO);
    let fault = fault(FaultKind::GateNo);
    next.event = Event::Outcome { step, ok: false, proof: serde_json::Value::Null, fault, took };
    state.apply(&plan, &next).unwrap();
    next.event = Event::End { state: EndState::NeedsHuman, why: "test".into() };
    state.apply(&plan, &next).unwrap();
    next.event = Event::Resumed { by: "test".into(), belay: "0".into(), back: false };
    state.apply(&plan, &next).unwrap();
    let Command::Do { step, attempt: 1 } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
    assert_eq!(step.id, "n1.back.start");
}

/// Found by the simulation: 29 kills around a start whose outcome was not known, and a human that goes on with fresh budgets:
/// how far the run had gone was forgotten with them.
#[test]
fn fresh_budgets_do_not_forget_that_the_new_version_was_begun() {
    let plan = made();
    let (_, _, mut records) = live(&plan, true, &[]);
    let start = |r: &belay_engine::Record| matches!(&r.event, Event::Intent { step, .. } if step == "n1.start");
    records.truncate(records.iter().position(start).unwrap() + 1);
    let mut state = RunState::replay(&plan, &records).unwrap();
    let mut next = records.last().unwrap().clone();
    next.event = Event::End { state: EndState::NeedsHuman, why: "test".into() };
    state.apply(&plan, &next).unwrap();
    next.event = Event::Resumed { by: "test".into(), belay: "0".into(), back: false };
    state.apply(&plan, &next).unwrap();
    assert_eq!(state.reached(&plan), Reached::Started);
}

/// Found by reading, while the model was brought to the guard: a run that needed a human had disarmed it, and went on without.
#[test]
fn after_a_human_the_guard_is_armed_again() {
    let plan = made();
    let (_, _, mut records) = live(&plan, true, &[]);
    let stop = |r: &belay_engine::Record| matches!(&r.event, Event::Intent { step, .. } if step == "n1.stop");
    records.truncate(records.iter().position(stop).unwrap());
    let mut state = RunState::replay(&plan, &records).unwrap();
    let mut next = records.last().unwrap().clone();
    next.event = Event::End { state: EndState::NeedsHuman, why: "test".into() };
    state.apply(&plan, &next).unwrap();
    next.event = Event::Resumed { by: "test".into(), belay: "0".into(), back: false };
    state.apply(&plan, &next).unwrap();
    let Command::Do { step, attempt: 1 } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
    assert_eq!(step.id, "n1.arm-guard");
}
