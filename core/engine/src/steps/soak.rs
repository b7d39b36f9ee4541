use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Some releases die after they were ready.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Soak,
    precondition: "every gate said yes",
    effect: "none",
    proof: "the gates went on saying yes",
    undo: "none needed",
    idempotence: Idempotence::Repeat,
    deadline: "its length + 120 s",
};
