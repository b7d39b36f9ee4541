use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// The other way round than `put-back`, line by line: finished by the boot unit after a power cut.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Restore,
    precondition: "what `keep` saw is unchanged and K3s is stopped; slot and rebuilt directory are what they were",
    effect: "`server/` and binary are exchanged with what was rebuilt and staged, revisions raised",
    proof: "inodes and digests, the revision, every object that is left behind",
    undo: "`put-back`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s and the time of a slow disk",
};
