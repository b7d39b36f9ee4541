use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Atomic: the path always names a complete, verified file (I5).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Swap,
    precondition: "what `keep` saw is unchanged and K3s is stopped; the slot is hashed again",
    effect: "binary and slot are exchanged under the marker that keeps K3s down, links under `data/` re-pointed",
    proof: "digest of what the path names",
    undo: "`swap-back`; after `start` `put-back`, in class `binary` `swap-back` first",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "30 s and the time of a slow disk",
};
