use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The data stay: they were never given to the new version, or the plan's class is `binary` (ADR 0009).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::SwapBack,
    precondition: "the new version never ran, or the class is `binary` and K3s is stopped",
    effect: "the old binary is at its path again; the kept copy is removed, in class `binary` by `release` only",
    proof: "digest of what the path names",
    undo: "none needed; in class `binary`, if a gate then says no, `put-back`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "as `keep`",
};
