use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// No step that changes a datastore begins without a receipt (I7).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::ProveBackup,
    precondition: "a backup of this run is stored",
    effect: "none",
    proof: "the receipt: the stored copy reopened, its integrity, revision, key count, root hash",
    undo: "none needed",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s and the time of a slow disk",
};
