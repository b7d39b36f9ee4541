use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The data were never given to the new version, so they stay.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::SwapBack,
    precondition: "the new version never ran",
    effect: "the old binary is at its path again, the kept copy is removed",
    proof: "digest of what the path names",
    undo: "none needed",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "as `keep`",
};
