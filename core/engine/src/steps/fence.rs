use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Takes the node for this run (I17) and installs what makes a put-back survive a power cut (I10).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Fence,
    precondition: "no other run holds the node; the generation is not older than the one remembered",
    effect: "node lock, generation, start interlock, boot unit, reserved space",
    proof: "generation, boot id, path of the interlock",
    undo: "`release`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "60 s",
};
