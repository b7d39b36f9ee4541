use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The way back of one server: exact to the last acknowledged write.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Keep,
    precondition: "K3s is stopped, in the same boot and life that `stop` ended",
    effect: "`server/` is copied beside itself",
    proof: "inodes of both, size, time and digest of the datastore, read back from the copy",
    undo: "`swap-back` removes it, in class `binary` `release`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "30 s and the time of a slow disk",
};
