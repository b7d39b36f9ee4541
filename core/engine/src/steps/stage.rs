use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Nothing is executed before it is verified on that node (I4), and the extraction is taken out of the outage (k3s-facts §9).
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Stage,
    precondition: "the node is fenced by this run",
    effect: "the artifact lies in a slot beside the binary, its userland is extracted",
    proof: "digest read back on the node, `--version` says the tag, `.sha256sums` of `data/<hash>` hold",
    undo: "the slot is removed by `release`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "120 s and the time of a slow disk for 5 × the artifact",
};
