//! A stopped copy that was put back by somebody else: whoever goes on takes it over, with the list of what it lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail; the exemption in clippy.toml reaches only functions marked as tests"
)]

mod model;

use belay_engine::{Event, NodeTale, ProbeState, Record, RunState, TurnCause};
use belay_plan::{Plan, Reached, StepKind, WayClass};
use model::{binary, made};
use serde_json::json;

/// A journal that ends with `last` begun.
struct Left<'a> {
    plan: &'a Plan,
    state: RunState,
}

impl<'a> Left<'a> {
    fn new(plan: &'a Plan, last: StepKind) -> Self {
        let mut left = Self { plan, state: RunState::default() };
        let (from, to) = (plan.from.clone(), plan.to.clone());
        left.record(Event::Open { plan: plan.digest, from, to, by: "t".into(), belay: "0".into() });
        for step in plan.steps() {
            left.record(Event::Intent { step: step.id.clone(), attempt: 1 });
            if step.kind == last {
                break;
            }
            let (step, proof, took) = (step.id.clone(), serde_json::Value::Null, belay_facts::Span::ZERO);
            left.record(Event::Outcome { step, ok: true, proof, fault: None, took });
        }
        left
    }

    fn record(&mut self, event: Event) {
        let (run, at, boot) = (self.plan.id.clone(), jiff::Timestamp::UNIX_EPOCH, String::new());
        self.state.apply(self.plan, &Record { run, generation: 1, at, up: 1, boot, event }).unwrap();
    }

    /// As the runner adopts. The turns, and the list that the undo's proof has told.
    fn adopt(&mut self, tale: &NodeTale) -> (Vec<Reached>, Option<serde_json::Value>) {
        let mut turns = Vec::new();
        while let Some(event) = self.state.adopted_turn(self.plan, tale) {
            let Event::Turn { reached, .. } = &event else { panic!("{event:?}") };
            turns.push(*reached);
            self.record(event);
        }
        let Some(undo) = self.state.undo_to_adopt(self.plan, false) else { return (turns, None) };
        // The node answers only for the exchange that was made.
        if undo.kind != StepKind::PutBack {
            return (turns, None);
        }
        for event in self.state.adopted_steps(self.plan, &undo, &json!({ "lost": ["web"] }), false) {
            assert!(!matches!(event, Event::Probed { state: ProbeState::NotDone, .. }));
            self.record(event);
        }
        (turns, self.state.proof(&undo.id).and_then(|proof| proof.get("lost").cloned()))
    }
}

/// Found by the simulation, seeds 102733, 172472 and 299104: another coordinator had the stopped copy put back, on a node whose
/// disk was full and which was not told that the run turns. Whoever went on swapped back, or took its swap-back for done, and
/// what the put-back had lost was in nobody's report.
#[test]
fn a_put_back_that_the_node_was_never_told_to_turn_for_is_adopted_with_its_list() {
    let untold = NodeTale { stopped: true, started: true, put_back: true, ..NodeTale::default() };
    let told_before = NodeTale { turned: true, class: WayClass::Binary, ..untold.clone() };
    for (plan, expected) in [(made(), vec![Reached::Started]), (binary(), vec![Reached::Started, Reached::SwappedBack])]
    {
        for last in [StepKind::Stage, StepKind::Stop, StepKind::Swap, StepKind::Start, StepKind::Gate, StepKind::Soak] {
            for tale in [&untold, &told_before] {
                let (turns, lost) = Left::new(&plan, last).adopt(tale);
                assert_eq!((turns, lost), (expected.clone(), Some(json!(["web"]))), "{last} of {:?}", plan.way_back);
            }
        }
    }
    // Turned already, by the class that was not the last one.
    let plan = binary();
    for tale in [&untold, &told_before] {
        let mut left = Left::new(&plan, StepKind::Gate);
        let cause = TurnCause { step: None, asked: false, why: "t".into(), fault: None };
        left.record(Event::Turn { reached: Reached::Started, cause });
        assert_eq!(left.adopt(tale), (vec![Reached::SwappedBack], Some(json!(["web"]))));
    }
    // Without one nothing falls.
    let none = NodeTale { put_back: false, ..told_before };
    assert_eq!(Left::new(&plan, StepKind::Gate).adopt(&none), (vec![Reached::Started], None));
}
