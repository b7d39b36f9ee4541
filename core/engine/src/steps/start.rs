use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// READY=1 says nothing about the node; the gates do (k3s-facts §5.1).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Start,
    precondition: "the marker is away; the path names the expected binary",
    effect: "the K3s unit is started",
    proof: "READY=1, one InvocationID, its duration",
    undo: "`stop`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "the larger of 120 s and 4 × the last start, and the time of a slow disk for the datastore",
};
