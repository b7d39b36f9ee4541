use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The old binary and the kept copy stay until the next run commits (I6).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Commit,
    precondition: "every gate said yes through the soak",
    effect: "interlock, boot unit, guard and reserve are removed; the ways back of earlier runs as well",
    proof: "what leads back and stays: old slot, kept copy",
    undo: "none in this run: `belay rollback` takes it back by a run of its own",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s",
};
