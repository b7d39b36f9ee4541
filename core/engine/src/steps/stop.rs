use belay_plan::StepKind;

use super::{Declaration, Idempotence};

/// Never SIGKILL. From its first effect on, nothing halts with K3s down.
pub const DECLARATION: Declaration = Declaration {
    kind: StepKind::Stop,
    precondition: "a verified slot and a receipt are on the node; the fence holds",
    effect: "the K3s unit is stopped; containers live on",
    proof: "unit inactive, no queued job, no K3s process, ports free, datastore unlocked",
    undo: "`start`",
    idempotence: Idempotence::ProbeThenDo,
    deadline: "TimeoutStopSec of the unit + 30 s",
};
