//! How long the coordinator may be silent before the node finishes alone (design.md §10).

use belay_facts::{Mutant, Span, mutated};

use crate::{Step, StepKind};

/// What a lease outlasts the longest silence by: a link that is opened again, and a node under load.
pub(crate) const LEASE_MARGIN: Span = Span::seconds(30);

/// The shortest lease that is safe for these steps of one node: it outlasts the longest single deadline between
/// `arm-guard` and `commit`, so that whoever only waits for an answer is never taken for gone (I17). Of a soak counts
/// what its deadline has beyond its length: it comes after the gates have vouched, and asks all the while.
pub(crate) fn shortest_lease<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Span {
    let armed = steps.into_iter().skip_while(|step| step.kind != StepKind::ArmGuard);
    let silence = |step: &Step| {
        let length = step.length.unwrap_or(Span::ZERO);
        Span::millis(step.deadline.as_millis().saturating_sub(length.as_millis()))
    };
    armed.map(silence).max().unwrap_or(Span::ZERO) + LEASE_MARGIN
}

/// Gives `arm-guard` its lease.
pub(crate) fn lease(steps: &mut [Step]) {
    let shortest = shortest_lease(&*steps);
    let length = if mutated(Mutant::ShortLease) {
        Span::millis(shortest.as_millis() / 2)
    } else {
        crate::planner::round(shortest)
    };
    for step in steps.iter_mut().filter(|step| step.kind == StepKind::ArmGuard) {
        step.lease = Some(length);
    }
}
