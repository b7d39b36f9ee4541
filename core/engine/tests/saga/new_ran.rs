//! A way back of class binary on a node where the new version has run, though this coordinator never asked for its start.

use super::model::{binary, fault, live, made};
use belay_engine::{Command, EndState, Event, FaultKind, ProbeState, Record, RunState};
use belay_facts::Span;
use belay_plan::{Plan, Reached, StepKind};
use serde_json::json;

/// Turned where `stop` was begun and `start` was not, with a swap-back that is asked for.
fn swapping_back(plan: &Plan) -> (RunState, Record) {
    let (_, _, records) = live(plan, true, &[]);
    let start = |r: &Record| matches!(&r.event, Event::Intent { step, .. } if step == "n1.start");
    let start = records.iter().position(start).unwrap();
    let mut state = RunState::replay(plan, &records[..start]).unwrap();
    let last = records[start].clone();
    let Some(Command::Turn { reached, cause }) = state.ask_back(plan, "Ctrl-C") else { panic!() };
    assert_eq!(reached, Reached::Stopped);
    state.apply(plan, &Record { event: Event::Turn { reached, cause }, ..last.clone() }).unwrap();
    let Command::Do { step, attempt } = state.next(plan) else { panic!() };
    assert_eq!(step.kind, StepKind::SwapBack);
    state.apply(plan, &Record { event: Event::Intent { step: step.id, attempt }, ..last.clone() }).unwrap();
    (state, last)
}

/// Found by the simulation, seed 144846: a power cut in the swap, a boot that started the new version, and a guard that swapped back.
/// The old version was not well on those data, and the stopped copy could not follow, because the coordinator had never begun a start.
#[test]
fn the_stopped_copy_follows_where_a_boot_had_started_the_new_version() {
    let plan = binary();
    for probed in [false, true] {
        let (mut state, last) = swapping_back(&plan);
        let apply = |state: &mut RunState, event| state.apply(&plan, &Record { event, ..last.clone() }).unwrap();
        let (step, proof, took) = ("n1.back.swap-back".to_owned(), json!({ "new-ran": true }), Span::ZERO);
        apply(
            &mut state,
            match probed {
                true => Event::Probed { step, state: ProbeState::Done, proof, says: String::new() },
                false => Event::Outcome { step, ok: true, proof, fault: None, took },
            },
        );
        assert_eq!(state.turn().unwrap().0, Reached::Started);
        // What runs or not is left as the swap-back has left it.
        let Command::Do { step, .. } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
        assert_eq!(step.kind, StepKind::Start);
        for (kind, no) in [(StepKind::Start, None), (StepKind::Gate, fault(FaultKind::GateNo))] {
            let Command::Do { step, attempt } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
            assert_eq!(step.kind, kind);
            apply(&mut state, Event::Intent { step: step.id.clone(), attempt });
            let proof = serde_json::Value::Null;
            apply(&mut state, Event::Outcome { step: step.id, ok: no.is_none(), proof, fault: no, took });
        }
        let Command::Turn { reached, .. } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
        assert_eq!(reached, Reached::SwappedBack);
    }
}

/// Where it had not run, or the class of the plan says that a put-back is due, nothing changes.
#[test]
fn a_swap_back_of_a_version_that_never_ran_has_no_other_way_back() {
    for (plan, ran) in [(binary(), false), (made(), true)] {
        let (mut state, last) = swapping_back(&plan);
        let (step, proof, took) = ("n1.back.swap-back".to_owned(), json!({ "new-ran": ran }), Span::ZERO);
        let event = Event::Outcome { step, ok: true, proof, fault: None, took };
        state.apply(&plan, &Record { event, ..last.clone() }).unwrap();
        assert_eq!(state.turn().unwrap().0, Reached::Stopped);
        let mut ended = None;
        while ended.is_none() {
            match state.next(&plan) {
                Command::Do { step, attempt } => {
                    let gate = step.kind == StepKind::Gate;
                    let (proof, no) = (serde_json::Value::Null, if gate { fault(FaultKind::GateNo) } else { None });
                    let event = Event::Intent { step: step.id.clone(), attempt };
                    state.apply(&plan, &Record { event, ..last.clone() }).unwrap();
                    let event = Event::Outcome { step: step.id, ok: !gate, proof, fault: no, took };
                    state.apply(&plan, &Record { event, ..last.clone() }).unwrap();
                }
                Command::End { state: end, .. } => ended = Some(end),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(ended, Some(EndState::NeedsHuman));
    }
}
