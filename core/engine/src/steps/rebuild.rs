use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// What shall be live again is made and read back while K3s still runs, so that only an exchange is left for the outage.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Rebuild,
    precondition: "the stopped copy or the backup is what its proof says; its datastore is of the kind that runs",
    effect: "a `server/` of that time is made beside the live one",
    proof: "its inode, size, time and digest of its datastore, and the revision in it",
    undo: "`release` removes it",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s and the time of a slow disk",
};
