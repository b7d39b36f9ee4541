//! The ways back and their order: which follows which, and what a person who asks for one gets.

use belay_engine::{Command, EndState, Event, FaultKind, RunState, TurnCause};
use belay_plan::Reached;

use super::model::{Binary, Fate, Life, binary, fault, live, live_on, made, turns};

#[test]
fn a_way_back_has_no_way_back() {
    let plan = made();
    let mut life = Life { plan: &plan, records: Vec::new(), state: RunState::default(), generation: 1 };
    let (from, to) = (plan.from.clone(), plan.to.clone());
    life.record(Event::Open { plan: plan.digest, from, to, by: "t".into(), belay: "0".into() });
    let Some(Command::Turn { reached, cause }) = life.state.ask_back(&plan, "test") else { panic!("no turn") };
    life.record(Event::Turn { reached, cause });
    assert_eq!(life.state.ask_back(&plan, "again"), None);
}

/// Class binary: the old version comes back over the data that the new one wrote, and nothing is lost.
#[test]
fn class_binary_leaves_the_data_and_loses_nothing() {
    let (world, end, records) = live(&binary(), false, &[]);
    assert_eq!((world.running, end), (Some(Binary::Old), EndState::Restored));
    assert!(world.written_by_new && !world.lost);
    assert_eq!(turns(&records), [Reached::Started]);
}

/// The old version is not well on those data: the stopped copy follows at once, in the same run.
#[test]
fn class_keep_follows_when_a_gate_says_no_after_a_swap_back() {
    let plan = binary();
    let (world, end, records) = live_on(&plan, (false, false), &[]);
    assert_eq!((world.running, end), (Some(Binary::Old), EndState::Restored));
    assert!(world.lost && !world.written_by_new);
    assert_eq!(turns(&records), [Reached::Started, Reached::SwappedBack]);
    let asked = records.iter().filter(|r| matches!(&r.event, Event::Intent { step, .. } if step == "n1.back.gate"));
    assert_eq!(asked.count(), 1, "a no is evidence: it is not asked again");
    let released =
        |r: &&belay_engine::Record| matches!(&r.event, Event::Intent { step, .. } if step.ends_with("release"));
    assert_eq!(records.iter().filter(released).count(), 1, "the copy is there until the way back is complete");
    // The second way back is the last one: only a human goes on from there.
    let mut fates = vec![Fate::Fine; 16];
    fates.extend([Fate::Fails; 3]);
    let (_, end, records) = live_on(&plan, (false, false), &fates);
    assert_eq!((end, turns(&records).len()), (EndState::NeedsHuman, 2), "{:?}", records.last());
}

/// Asked for or not, the run falls to the stopped copy as what it was: a fall is no second wish.
#[test]
fn a_fall_is_refused_where_no_class_allows_it() {
    let cause = TurnCause { step: None, asked: true, why: "test".into(), fault: fault(FaultKind::GateNo) };
    for (plan, first, second, allowed) in [
        (binary(), Reached::Started, Reached::SwappedBack, true),
        (binary(), Reached::Started, Reached::Started, false),
        (binary(), Reached::Stopped, Reached::SwappedBack, false),
        (made(), Reached::Started, Reached::SwappedBack, false),
    ] {
        let mut life = Life { plan: &plan, records: Vec::new(), state: RunState::default(), generation: 1 };
        let (from, to) = (plan.from.clone(), plan.to.clone());
        life.record(Event::Open { plan: plan.digest, from, to, by: "t".into(), belay: "0".into() });
        let mut record = life.records[0].clone();
        let turn = |reached| Event::Turn { reached, cause: cause.clone() };
        record.event = turn(Reached::SwappedBack);
        assert!(life.state.apply(&plan, &record).is_err(), "it goes forward still");
        life.record(turn(first));
        record.event = turn(second);
        assert_eq!(life.state.apply(&plan, &record).is_ok(), allowed, "{first:?} {second:?}");
        assert!(life.state.asked());
    }
}

/// Ctrl-C before the fence, or a kill at the first record and then a rollback: nothing was touched, nothing is released.
#[test]
fn asked_back_before_the_fence_it_is_unchanged_at_once() {
    let plan = made();
    let (world, end, records) = live(&plan, true, &[Fate::Asked]);
    assert_eq!((world.running, end), (Some(Binary::Old), EndState::Unchanged));
    assert!(!records.iter().any(|r| matches!(&r.event, Event::Intent { step, .. } if step.ends_with("release"))));
}

/// `belay rollback` was killed between telling the node and writing its turn: the wish was written before, so that
/// whoever goes on, by `resume` or `rollback`, goes back as asked (exit 0), and not by itself (exit 3).
#[test]
fn a_rollback_that_was_killed_before_its_turn_is_still_asked_for() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[Fate::Fine; 11]);
    let soaking = records.iter().position(|r| matches!(&r.event, Event::Intent { step, .. } if step.ends_with("soak")));
    let mut state = RunState::replay(&plan, &records[..=soaking.unwrap()]).unwrap();
    let mut resumed = records[0].clone();
    for (generation, back) in [(2, true), (3, false)] {
        resumed.generation = generation;
        resumed.event = Event::Resumed { by: "test".into(), belay: "0".into(), back };
        state.apply(&plan, &resumed).unwrap();
    }
    let Command::Turn { reached, cause } = state.next(&plan) else { panic!("{:?}", state.next(&plan)) };
    assert_eq!((reached, cause.asked), (Reached::Started, true));
    assert!(state.asked());
}

/// From the intent of a stop until a start is proven, on whatever way.
#[test]
fn k3s_may_be_down_between_a_stop_and_the_next_start() {
    let plan = made();
    let mut life = Life { plan: &plan, records: Vec::new(), state: RunState::default(), generation: 1 };
    let (from, to) = (plan.from.clone(), plan.to.clone());
    life.record(Event::Open { plan: plan.digest, from, to, by: "t".into(), belay: "0".into() });
    let took = belay_facts::Span::ZERO;
    let mut down = Vec::new();
    for _ in 0..40 {
        match life.state.next(&plan) {
            Command::Do { step, attempt } => {
                life.record(Event::Intent { step: step.id.clone(), attempt });
                if life.state.may_be_down(&plan) {
                    down.push(step.id.clone());
                }
                let failed = step.id == "n1.gate";
                let fault = if failed { fault(FaultKind::GateNo) } else { None };
                life.record(Event::Outcome { step: step.id, ok: !failed, proof: serde_json::Value::Null, fault, took });
            }
            Command::Turn { reached, cause } => {
                life.record(Event::Turn { reached, cause });
                assert!(!life.state.may_be_down(&plan), "the new version runs, and nobody has stopped it yet");
            }
            Command::End { state, why } => life.record(Event::End { state, why }),
            _ => break,
        }
    }
    let expected = ["n1.stop", "n1.keep", "n1.swap", "n1.start", "n1.back.stop", "n1.back.put-back", "n1.back.start"];
    assert_eq!(down, expected);
    assert!(!life.state.may_be_down(&plan));
}
