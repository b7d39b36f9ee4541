//! Going back, inside the fold: what is done again, and when the stopped copy follows a swap of the binary alone.

use belay_plan::{Plan, Reached, Step, StepKind};
use serde_json::Value;

use super::{RunState, StepState};
use crate::{Command, EndState, Fault, FaultKind, MAX_TRIES, TurnCause};

impl RunState {
    /// K3s ran when it should not have (a boot, an impatient administrator): what an earlier step saw is not what is
    /// there, so it is done again. The fault says that nothing was changed.
    pub(super) fn rewind(&mut self, plan: &Plan, step: &str, fault: &Fault) {
        use StepKind::{Keep, PutBack, Restore, Stop, Swap, SwapBack};
        let back = self.turn.as_ref().map(|(reached, _)| plan.inverse(*reached)).unwrap_or_default();
        let ways = [plan.steps().cloned().collect(), back];
        let Some(way) = ways.iter().find(|way| way.iter().any(|s| s.id == step)) else { return };
        let Some(stale) = way.iter().find(|s| s.id == step) else { return };
        let again: &[StepKind] = match stale.kind {
            Keep | Swap | Restore => &[Stop, Keep, Swap, Restore],
            PutBack => &[Stop, PutBack],
            // The new version ran after all, so the data are not the old version's any more: the plan's class follows.
            SwapBack => {
                if let Some((reached, _)) = &mut self.turn {
                    *reached = Reached::Started;
                }
                &[Stop, SwapBack]
            }
            _ => return,
        };
        if self.tries(step) >= MAX_TRIES {
            self.steps.insert(step.to_owned(), StepState::Failed { fault: fault.clone() });
            return;
        }
        let other: Vec<String> =
            way.iter().filter(|s| s.node == stale.node && again.contains(&s.kind)).map(|s| s.id.clone()).collect();
        self.steps.extend(other.into_iter().map(|id| (id, StepState::Pending)));
    }

    /// A swap-back that leaves the data was done, and its node says that the new version had run, which nobody here had started (a
    /// boot had, or somebody by hand): the run is where one is that did, and the stopped copy may follow. What that way stops
    /// before, is stopped.
    pub(super) fn learn(&mut self, plan: &Plan, step: &str) {
        let ran = self.proof(step).and_then(|proof| proof.get("new-ran")?.as_bool()).unwrap_or(false);
        let swaps_back = || plan.any_step(step).is_some_and(|step| step.kind == StepKind::SwapBack);
        let Some((reached @ Reached::Stopped, _)) = &mut self.turn else { return };
        if !ran || !swaps_back() || !plan.falls_from(Reached::Started) {
            return;
        }
        *reached = Reached::Started;
        let way = plan.inverse(Reached::Started);
        for stop in way.into_iter().take_while(|other| other.id != step) {
            self.steps.entry(stop.id).or_insert(StepState::Done { proof: Value::Null });
        }
    }

    /// A step of the way back did not succeed: it is tried again where that can help and its budget lasts, else the next
    /// way back follows, else a human does.
    pub(super) fn failed_back(&self, plan: &Plan, step: Step, fault: &Fault) -> Command {
        let why = format!("{}: {}", step.id, fault.message);
        let again = fault.kind.may_pass() && self.tries(&step.id) < MAX_TRIES;
        // A no of a gate is evidence: asking again would only make the outage longer where another way is left.
        if fault.kind.may_pass()
            && (!again || fault.kind == FaultKind::GateNo)
            && let Some(turn) = self.fall(plan, &step, &why, Some(fault))
        {
            return turn;
        }
        if again { self.begin(plan, step) } else { Command::End { state: EndState::NeedsHuman, why } }
    }

    /// The turn to the stopped copy, when the way back that it follows does not hold. `release` is its last step and may
    /// have removed the copy.
    pub(super) fn fall(&self, plan: &Plan, step: &Step, why: &str, fault: Option<&Fault>) -> Option<Command> {
        let (reached, turned) = self.turn.as_ref()?;
        if !plan.falls_from(*reached) || step.kind == StepKind::Release {
            return None;
        }
        let cause =
            TurnCause { step: Some(step.id.clone()), asked: turned.asked, why: why.to_owned(), fault: fault.cloned() };
        Some(Command::Turn { reached: Reached::SwappedBack, cause })
    }
}
