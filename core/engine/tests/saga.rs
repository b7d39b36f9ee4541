//! The engine against a small model of a node: random faults, kills at any record, boots in the middle.
//!
//! The model is the world; the engine is real. After every schedule: the run has ended, in a state that is true of the
//! world, within its budget, and replaying the journal gives the state that was lived through.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail; the exemption in clippy.toml reaches only functions marked as tests"
)]

mod model;

use belay_engine::{Command, EndState, Event, FaultKind, NodeTale, RunState, StepState, TurnCause};
use belay_plan::{Plan, Reached, StepKind, WayClass};
use model::{Binary, Fate, Life, binary, fate, fault, live, live_on, made, restoring};
use proptest::prelude::*;

#[test]
fn without_faults_it_commits_and_with_a_bad_release_it_is_restored() {
    let plan = made();
    let (world, end, _) = live(&plan, true, &[]);
    assert_eq!((world.running, end), (Some(Binary::New), EndState::Committed));
    let (world, end, records) = live(&plan, false, &[]);
    assert_eq!((world.running, end), (Some(Binary::Old), EndState::Restored));
    assert!(records.iter().any(|r| matches!(&r.event, Event::Turn { reached: Reached::Started, .. })));
}

/// From the first effect of `stop` on, nothing halts with K3s down (design.md §5): one fault at each step, all alone.
#[test]
fn one_fault_at_any_step_leaves_k3s_up() {
    let plans = [(made(), true), (made(), false), (restoring(), true), (restoring(), false), (binary(), false)];
    for (plan, good) in plans {
        for at in 0..22 {
            for fate in Fate::ALL {
                let mut fates = vec![Fate::Fine; at];
                fates.push(fate);
                let (world, end, _) = live(&plan, good, &fates);
                assert!(world.running.is_some(), "{fate:?} at {at}: {end} with K3s down");
                assert_ne!(end, EndState::NeedsHuman, "{fate:?} at {at}");
            }
        }
    }
}

/// K3s was started by hand between keep and swap, with writes: the stale copy is not used.
#[test]
fn a_stale_copy_is_made_again() {
    let plan = made();
    let mut fates = vec![Fate::Fine; 7];
    fates.push(Fate::PowerCut); // keep, then a boot starts the old version
    let (world, end, records) = live(&plan, true, &fates);
    assert_eq!((world.running, end), (Some(Binary::New), EndState::Committed));
    let keeps =
        records.iter().filter(|r| matches!(&r.event, Event::Intent { step, .. } if step.ends_with(".keep"))).count();
    assert!(keeps >= 2, "{keeps} copies");
}

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

/// The step at which a schedule of nothing but good fate is at that place.
fn at(plan: &Plan, kind: StepKind) -> usize {
    plan.steps().position(|step| step.kind == kind).unwrap()
}

/// The guard acts while the coordinator is paused or gone, at every step: nothing is touched before the stop, the old
/// version runs until the gates have said yes, and the new one stays from then on. A late coordinator is refused and leaves.
#[test]
fn a_guard_at_any_step_ends_in_what_its_place_promises() {
    for plan in [made(), restoring(), binary()] {
        let (stop, gate) = (at(&plan, StepKind::Stop), at(&plan, StepKind::Gate));
        let arm = at(&plan, StepKind::ArmGuard);
        for step in 0..plan.steps().count() {
            for fate in [Fate::Paused, Fate::Gone, Fate::GoneAndPowerCut] {
                let mut fates = vec![Fate::Fine; step];
                fates.push(fate);
                let (world, end, records) = live(&plan, true, &fates);
                let paused = matches!(fate, Fate::Paused);
                let expected = match step {
                    // Paused in the stop, which its node never heard of.
                    _ if step < arm || step == arm && paused => EndState::Committed,
                    _ if step < stop || step == stop && paused => EndState::Unchanged,
                    // The node is told by the coordinator that the gates said yes; one that dies before is not believed.
                    _ if step <= gate => EndState::Restored,
                    _ => EndState::Committed,
                };
                assert_eq!(end, expected, "{fate:?} at step {step} of {:?}", plan.goal);
                let new = end == EndState::Committed;
                assert_eq!(world.running, Some(if new { Binary::New } else { Binary::Old }), "{fate:?} at {step}");
                assert_eq!(world.acted, u32::from(!new), "{fate:?} at {step}");
                let why = |record: &belay_engine::Record| match &record.event {
                    Event::Turn { cause, .. } => cause.why.contains("guard"),
                    _ => false,
                };
                assert_eq!(records.iter().any(why), !new, "the journal says who went back: {fate:?} at {step}");
            }
        }
    }
}

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

/// Journals of earlier builds, whose plans have no guard, are told as ever.
#[test]
fn a_run_of_an_earlier_build_without_a_guard_is_replayed_to_its_end() {
    let mut plan = made();
    plan.waves[0].steps.retain(|step| step.kind != StepKind::ArmGuard);
    for good in [true, false] {
        let (world, end, records) = live(&plan, good, &[Fate::Fine, Fate::KilledAfter]);
        assert_eq!(end, if good { EndState::Committed } else { EndState::Restored });
        assert_eq!((world.armed, RunState::replay(&plan, &records).unwrap().end()), (false, Some(end)));
    }
}

fn turns(records: &[belay_engine::Record]) -> Vec<Reached> {
    let turn = |record: &belay_engine::Record| match &record.event {
        Event::Turn { reached, .. } => Some(*reached),
        _ => None,
    };
    records.iter().filter_map(turn).collect()
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

#[test]
fn a_journal_that_tells_no_possible_story_is_refused() {
    let plan = made();
    let (_, _, records) = live(&plan, true, &[]);
    assert!(RunState::replay(&plan, &records[1..]).is_err(), "without its opening");
    let mut doubled = records.clone();
    doubled.insert(2, records[1].clone());
    assert!(RunState::replay(&plan, &doubled).is_err(), "with an intent twice");
    let mut foreign = records;
    foreign[3].run = "2026-01-01-0000".into();
    assert!(RunState::replay(&plan, &foreign).is_err(), "with a record of another run");
}

#[test]
fn budgets_end_a_run_that_never_gets_on() {
    let plan = made();
    let fates = vec![Fate::KilledBefore; 400];
    let (_, end, records) = live(&plan, true, &fates);
    assert!(matches!(end, EndState::NeedsHuman | EndState::Unchanged), "{end}");
    assert!(records.len() < 200, "{} records", records.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn every_schedule_ends_in_a_state_that_is_true(
        good in any::<bool>(),
        holds in any::<bool>(),
        which in 0..3_usize,
        fates in proptest::collection::vec(fate(), 0..50),
    ) {
        let plan = made_once(which);
        let (world, end, records) = live_on(plan, (good, holds), &fates);
        match end {
            EndState::Committed => prop_assert_eq!(world.running, Some(Binary::New)),
            EndState::Restored => {
                prop_assert_eq!(world.running, Some(Binary::Old));
                let kept = plan.way_back.class == WayClass::Keep || !holds;
                prop_assert!(!world.written_by_new || !kept, "restored with what the new version wrote");
            }
            EndState::Unchanged => prop_assert_eq!(world.running, Some(Binary::Old)),
            EndState::NeedsHuman => {}
        }
        // What is lost was lost by a way back that the journal tells of.
        let fell = turns(&records).contains(&Reached::SwappedBack);
        prop_assert!(!world.lost || fell || plan.way_back.class == WayClass::Keep);
        prop_assert!(turns(&records).len() <= 1 + usize::from(fell));
        let state = RunState::replay(plan, &records).unwrap();
        prop_assert_eq!(state.end(), Some(end));
        // No effect without an intent, no intent without an outcome or a probe, except the last before a kill (I15).
        let open = plan.steps().filter(|s| *state.step(&s.id) == StepState::Intended).count();
        prop_assert!(end == EndState::NeedsHuman || open <= 1, "{} open intents", open);
    }
}

/// An upgrade, a restore, and an upgrade whose way back leaves the data.
fn made_once(which: usize) -> &'static Plan {
    static PLANS: std::sync::OnceLock<[Plan; 3]> = std::sync::OnceLock::new();
    &PLANS.get_or_init(|| [made(), restoring(), binary()])[which]
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
