//! The end of the way forward: a commit is finished, never turned.

use belay_plan::{Plan, Step};

use super::RunState;
use crate::{Command, EndState, Fault, MAX_TRIES};

impl RunState {
    /// Every gate has said yes, and the node may have ended the run already, on which it then refuses every other step: what is
    /// left is tidying up, and is not turned. Once a human has mended what is in its way, a resume asks for it again.
    pub(super) fn failed_commit(&self, plan: &Plan, step: Step, fault: &Fault) -> Command {
        if fault.kind.may_pass() && self.tries(&step.id) < MAX_TRIES {
            return self.begin(plan, step);
        }
        let why = format!("{}: {}; every gate has said yes, so nothing is taken back", step.id, fault.message);
        Command::End { state: EndState::NeedsHuman, why }
    }
}
