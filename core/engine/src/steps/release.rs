use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The last step of every way back.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Release,
    precondition: "the way back is complete",
    effect: "interlock, boot unit, guard, reserve and slot are removed",
    proof: "what stays on the node",
    undo: "none needed",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s",
};
