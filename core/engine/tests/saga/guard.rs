//! The guard, which acts while the coordinator is paused or gone.

use belay_engine::{EndState, Event, RunState};
use belay_plan::StepKind;

use super::model::{Binary, Fate, at, binary, live, made, restoring};

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
