use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Identity is asked first; a no stops K3s before it can do harm.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Gate,
    precondition: "K3s was started by this run",
    effect: "none (a canary pod and a ConfigMap come and go)",
    proof: "a verdict with evidence for each question",
    undo: "none needed",
    idempotence: Idempotence::Repeat,
    deadline: "180 s",
};
