use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// From here on the node finishes alone (I9, I25): what it does then needs no coordinator, no network and no API.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::ArmGuard,
    precondition: "the fence holds, and the lease outlasts every deadline that follows",
    effect: "a timer of ours looks every few seconds whether the coordinator was silent past its lease",
    proof: "the lease; the timer is active",
    undo: "`commit` and `release` remove timer and lease; so does a run that ends needing a human",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s",
};
