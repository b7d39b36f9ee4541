use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Only where the user gave a place: a backup on the node alone is lost with the node.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::CopyBackup,
    precondition: "the backup of this run has its receipt",
    effect: "the backup is copied to the directory that the plan names, 0700, files 0600",
    proof: "where it lies; every file read back and equal to the receipt",
    undo: "none needed: a copy",
    idempotence: Idempotence::Repeat,
    deadline: "60 s and the time of a slow disk",
};
