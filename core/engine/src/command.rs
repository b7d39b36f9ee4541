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
    /// Somebody else has taken the node: its guard, or another coordinator. This process acts no more; a resume reads what
    /// was done (I17).
    Leave { why: String },
    /// Journal the end.
    End { state: EndState, why: String },
    /// The run has ended.
    Finished { state: EndState },
}
