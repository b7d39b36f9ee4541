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

mod adopt;
mod commit;
mod guard;
mod human;
#[path = "../model/mod.rs"]
mod model;
mod new_ran;
mod overtaken;
mod way_back;

use belay_engine::{EndState, Event, RunState, StepState};
use belay_plan::{Plan, Reached, WayClass};
use model::{Binary, Fate, binary, fate, live, live_on, made, restoring, turns};
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
