use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// For disasters; the way back of one server is `keep`.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Backup,
    precondition: "no rotation of secrets encryption is under way",
    effect: "online copy of datastore, token, tls, cred, configuration, unit, old binary",
    proof: "path and size",
    undo: "none needed: a copy",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s and the time of a slow disk",
};
