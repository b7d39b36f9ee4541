use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// A gate that cannot say yes before the change cannot judge it afterwards.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Baseline,
    precondition: "none",
    effect: "none (a canary pod comes and goes)",
    proof: "the answer of every gate before the stop, and the state of the workloads",
    undo: "none needed",
    idempotence: Idempotence::Repeat,
    deadline: "120 s",
};
