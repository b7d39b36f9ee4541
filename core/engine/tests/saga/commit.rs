//! The end of the way forward: what a commit that fails, or is not known, leads to.

use belay_engine::{Command, EndState, Event, FaultKind, Record, RunState};
use belay_facts::Span;
use belay_plan::{Plan, StepKind};

use super::model::{Binary, Fate, fault, live, made};

/// A run whose commit was begun, and its last record.
fn begun(plan: &Plan) -> (RunState, Record) {
    let (_, _, records) = live(plan, true, &[]);
    let commit = |r: &Record| matches!(&r.event, Event::Intent { step, .. } if step == "n1.commit");
    let begun = records.iter().position(commit).unwrap();
    (RunState::replay(plan, &records[..=begun]).unwrap(), records[begun].clone())
}

/// Found by the simulation, seeds 6091, 174914 and 603037: a commit that had ended the run on the node counted as failed, because its
/// disk was full when it was asked again, and the run turned back on a node that refused every step of it, for good.
#[test]
fn a_commit_that_fails_is_tried_again_and_never_turned() {
    let plan = made();
    for (kind, tries) in [(FaultKind::Space, 3), (FaultKind::Channel, 3), (FaultKind::Human, 1)] {
        let (mut state, last) = begun(&plan);
        let apply = |state: &mut RunState, event| state.apply(&plan, &Record { event, ..last.clone() }).unwrap();
        for attempt in 1..=tries {
            let (proof, took) = (serde_json::Value::Null, Span::ZERO);
            let outcome = Event::Outcome { step: "n1.commit".into(), ok: false, proof, fault: fault(kind), took };
            apply(&mut state, outcome);
            if let Command::Probe { step } = state.next(&plan) {
                let (state_found, proof) = (belay_engine::ProbeState::Partial, serde_json::Value::Null);
                apply(&mut state, Event::Probed { step: step.id, state: state_found, proof, says: String::new() });
            }
            match state.next(&plan) {
                Command::Do { step, attempt: next } if attempt < tries => {
                    assert_eq!((step.kind, next), (StepKind::Commit, attempt + 1));
                    apply(&mut state, Event::Intent { step: step.id, attempt: next });
                }
                Command::End { state: end, why } if attempt == tries => {
                    assert_eq!(end, EndState::NeedsHuman, "{kind:?}");
                    apply(&mut state, Event::End { state: end, why });
                }
                other => panic!("{kind:?} after {attempt}: {other:?}"),
            }
        }
        // The human has made room, or whatever it was: also one that would rather go back finishes it.
        apply(&mut state, Event::Resumed { by: "t".into(), belay: "0".into(), back: true });
        let Command::Do { step, attempt: 1 } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
        assert_eq!(step.kind, StepKind::Commit);
        apply(&mut state, Event::Intent { step: step.id.clone(), attempt: 1 });
        let (proof, took) = (serde_json::Value::Null, Span::ZERO);
        apply(&mut state, Event::Outcome { step: step.id, ok: true, proof, fault: None, took });
        assert!(matches!(state.next(&plan), Command::End { state: EndState::Committed, .. }));
    }
}

/// A pending Ctrl-C must not turn a run whose commit has begun: its way back may be gone.
#[test]
fn a_commit_that_was_begun_is_not_turned() {
    let plan = made();
    let mut fates = vec![Fate::Fine; 12];
    fates.push(Fate::KilledAfter);
    fates.push(Fate::Asked);
    let (world, end, _) = live(&plan, true, &fates);
    assert_eq!((world.running, end), (Some(Binary::New), EndState::Committed));
}
