use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Class K (design.md §6). Every line only if not yet so; finished by the boot unit after a power cut.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::PutBack,
    precondition: "K3s is stopped; the token of the configuration is that of the kept copy",
    effect: "`server/` and binary are exchanged with what was kept, revisions raised",
    proof: "inodes and digests, the revision, every object that is left behind",
    undo: "none: a way back has no way back",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "as `keep`",
};
