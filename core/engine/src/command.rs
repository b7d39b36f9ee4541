use belay_plan::{Reached, Step};

use crate::{EndState, TurnCause};

/// What the runner does next. It has no other choices to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Journal the intent, then do the step.
    Do { step: Step, attempt: u32 },
    /// The outcome of this step is unknown (the runner was killed in it): find out, and journal what was found (I26).
    Probe { step: Step },
    /// Tell the node that this run goes back, then journal the turn.
    Turn { reached: Reached, cause: TurnCause },
    /// Journal the end.
    End { state: EndState, why: String },
    /// The node belongs to a newer generation or to another run: this process asks it for nothing more, writes nothing more
    /// and leaves the run open, for whoever holds it.
    Leave { why: String },
    /// The run has ended.
    Finished { state: EndState },
}
