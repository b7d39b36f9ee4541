//! What a node did by itself, or for another coordinator, taken over by a resume.

use belay_engine::{Command, Event, FaultKind, NodeTale, RunState};
use belay_plan::{Reached, StepKind};

use super::model::{at, fault, live, made};

/// The node has let the run go before its stop, while the coordinator, cut off from it, had already turned: nothing is
/// asked of a node that is over, and the gates of the version that never stopped are.
#[test]
fn a_turn_that_the_node_never_heard_of_ends_with_what_its_guard_did() {
    let plan = made();
    let stop = at(&plan, StepKind::Stop);
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.stop")).unwrap();
    let mut state = RunState::replay(&plan, &records[..=begun]).unwrap();
    assert_eq!(state.reached(&plan), Reached::Stopped, "{stop}");
    let apply = |state: &mut RunState, event| {
        let record = belay_engine::Record { event, ..records[begun].clone() };
        state.apply(&plan, &record).unwrap();
    };
    let Some(Command::Turn { reached, cause }) = state.ask_back(&plan, "Ctrl-C") else { panic!() };
    apply(&mut state, Event::Turn { reached, cause });
    let tale = NodeTale { ended: Some("unchanged".into()), guard: Some("the guard".into()), ..NodeTale::default() };
    assert_eq!(state.adopted_turn(&plan, &tale), None, "it has turned already");
    let undo = state.undo_to_adopt(&plan, true).unwrap();
    for event in state.adopted_steps(&plan, &undo, &serde_json::Value::Null, true) {
        apply(&mut state, event);
    }
    let Command::Do { step, .. } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
    assert_eq!(step.kind, StepKind::Gate);
}

/// Found by the simulation, seed 641: whoever resumed with an older copy of the run's directory turned where its own journal
/// ended, and not where the node was: what the put-back had lost was in nobody's report.
#[test]
fn who_knows_less_than_the_node_turns_where_the_node_is() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.stage")).unwrap();
    let state = RunState::replay(&plan, &records[..=begun]).unwrap();
    for (stopped, started, expected) in
        [(true, false, Some(Reached::Stopped)), (true, true, Some(Reached::Started)), (false, false, None)]
    {
        let turned = state.adopted_turn(&plan, &NodeTale { stopped, started, ..NodeTale::default() });
        let reached = turned.map(|event| match event {
            Event::Turn { reached, .. } => reached,
            other => panic!("{other:?}"),
        });
        assert_eq!(reached, expected);
    }
}

/// Found by the simulation, seed 15762: a step whose budget was used up was begun once more to adopt what the node had done.
#[test]
fn what_a_node_did_by_itself_is_not_adopted_past_a_budget() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.stop")).unwrap();
    let mut state = RunState::replay(&plan, &records[..=begun]).unwrap();
    let apply = |state: &mut RunState, event| {
        state.apply(&plan, &belay_engine::Record { event, ..records[begun].clone() }).unwrap();
    };
    let Some(Command::Turn { reached, cause }) = state.ask_back(&plan, "Ctrl-C") else { panic!() };
    apply(&mut state, Event::Turn { reached, cause });
    let undo = state.undo_to_adopt(&plan, false).unwrap();
    for attempt in 1..=3 {
        assert!(!state.adopted_steps(&plan, &undo, &serde_json::Value::Null, false).is_empty());
        apply(&mut state, Event::Intent { step: undo.id.clone(), attempt });
        let (proof, took) = (serde_json::Value::Null, belay_facts::Span::ZERO);
        let fault = fault(FaultKind::Failed);
        apply(&mut state, Event::Outcome { step: undo.id.clone(), ok: false, proof, fault, took });
    }
    assert_eq!(state.adopted_steps(&plan, &undo, &serde_json::Value::Null, false), []);
}

/// Found by the simulation, seed 1486: the way back was adopted by one resume, the guard let the node go, and the next resume
/// asked it to start.
#[test]
fn a_start_on_a_node_that_was_let_go_is_adopted_later() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    let begun =
        records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.stop")).unwrap();
    let mut state = RunState::replay(&plan, &records[..=begun]).unwrap();
    let apply = |state: &mut RunState, event| {
        state.apply(&plan, &belay_engine::Record { event, ..records[begun].clone() }).unwrap();
    };
    let Some(Command::Turn { reached, cause }) = state.ask_back(&plan, "Ctrl-C") else { panic!() };
    apply(&mut state, Event::Turn { reached, cause });
    let undo = state.undo_to_adopt(&plan, false).unwrap();
    for event in state.adopted_steps(&plan, &undo, &serde_json::Value::Null, false) {
        apply(&mut state, event);
    }
    assert_eq!(state.undo_to_adopt(&plan, false), None);
    let undo = state.undo_to_adopt(&plan, true).unwrap();
    for event in state.adopted_steps(&plan, &undo, &serde_json::Value::Null, true) {
        apply(&mut state, event);
    }
    let Command::Do { step, .. } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
    assert_eq!(step.kind, StepKind::Gate);
}
