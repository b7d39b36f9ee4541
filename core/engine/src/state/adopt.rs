//! What the node did by itself while nobody was here, taken over into the journal: nothing is done twice (I16).

use belay_facts::WayClass;
use belay_plan::{Plan, Reached, Step, StepKind};
use serde_json::Value;

use super::{RunState, StepState};
use crate::{Event, MAX_TRIES, ProbeState, TurnCause};

/// What a node tells of a run from its own journal, as far as it was there alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTale {
    /// It was told, or decided by itself, that the run goes back.
    pub turned: bool,
    /// By which class, as it was told or decided last.
    pub class: WayClass,
    /// K3s was asked to stop there, by whichever coordinator.
    pub stopped: bool,
    /// The new version may have run there, or its data been exchanged.
    pub started: bool,
    /// A put-back was decided there, by whichever coordinator, or by itself.
    pub put_back: bool,
    /// How the run has ended on the node.
    pub ended: Option<String>,
    /// Its guard has acted: when and why, in a sentence.
    pub guard: Option<String>,
}

/// Where `says` of a step comes from that nobody here has begun.
const BY_ITSELF: &str = "the node did it by itself, at a boot or after its coordinator was gone";

impl NodeTale {
    /// How far the run has gone on the node.
    const fn reached(&self) -> Reached {
        match (self.started || self.put_back, self.stopped) {
            (true, _) => Reached::Started,
            (false, true) => Reached::Stopped,
            (false, false) => Reached::Prepared,
        }
    }
}

impl RunState {
    /// The turns that the node has made, or was told of by a coordinator that died before it could journal them. To be
    /// recorded in order; the second depends on the first, so it is asked for again until there is none.
    #[must_use]
    pub fn adopted_turn(&self, plan: &Plan, tale: &NodeTale) -> Option<Event> {
        // Whoever holds the node decides; asked again and again, the answer would be the same turn.
        if self.end.is_some() || self.superseded.is_some() {
            return None;
        }
        let turn = |reached, told: &str| {
            let why = tale.guard.clone().unwrap_or_else(|| told.to_owned());
            Event::Turn { reached, cause: TurnCause { step: None, asked: self.asked(), why, fault: None } }
        };
        let Some((from, _)) = &self.turn else {
            // Released by its guard, so `stop` was never begun there, whatever was intended here.
            if tale.ended.is_some() && tale.guard.is_some() {
                return Some(turn(Reached::Prepared, ""));
            }
            let own = self.reached(plan);
            let reached = own.max(tale.reached());
            // Whoever has an older copy of the journal knows nothing of what was done in between, and can only go back.
            if reached > own && tale.ended.is_none() {
                return Some(turn(
                    reached,
                    "another coordinator has gone on with this run, further than this journal tells",
                ));
            }
            // A node whose disk was full was never told that it turned, and its stopped copy was put back all the same.
            let back = tale.turned || tale.put_back;
            let told = "the node was told to go back before this coordinator was killed";
            return (back && reached > Reached::Prepared).then(|| turn(reached, told));
        };
        let told_to = tale.turned && tale.class == plan.class_from(Reached::SwappedBack);
        let fell = plan.falls_from(*from) && (told_to || tale.put_back);
        let told = "the stopped copy was put back, or the node told to do it, before this coordinator went on";
        fell.then(|| turn(Reached::SwappedBack, told))
    }

    /// The step of the way back that tells whether the node has gone it: asked for on the node, unless it is known.
    /// `released`: the node has let the run go, and will not start anything for it either.
    #[must_use]
    pub fn undo_to_adopt(&self, plan: &Plan, released: bool) -> Option<Step> {
        let (reached, _) = self.turn.as_ref()?;
        let way = plan.inverse(*reached);
        let open = |step: &Step| self.proof(&step.id).is_none();
        let starts = released && way.iter().any(|step| step.kind == StepKind::Start && open(step));
        let undo = |step: &Step| matches!(step.kind, StepKind::PutBack | StepKind::SwapBack);
        way.into_iter().find(undo).filter(|step| starts || open(step))
    }

    /// The records that take over a way back whose undo was found done on the node, with its proof. `released`: the node
    /// has let the run go without ever stopping K3s, so there is nothing to start either.
    #[must_use]
    pub fn adopted_steps(&self, plan: &Plan, undo: &Step, proof: &Value, released: bool) -> Vec<Event> {
        let Some((reached, _)) = &self.turn else { return Vec::new() };
        let way = plan.inverse(*reached);
        let done = way.iter().take_while(|step| step.id != undo.id).map(|step| (step, Value::Null));
        let start = way.iter().filter(|step| released && step.kind == StepKind::Start).map(|step| (step, Value::Null));
        let mut events = Vec::new();
        // A budget that is used up needs a human first, also for what is found done (I18).
        let spent = |step: &&Step| self.proof(&step.id).is_none() && self.tries(&step.id) >= MAX_TRIES;
        if way.iter().take_while(|step| step.id != undo.id).chain([undo]).any(|step| spent(&step)) {
            return events;
        }
        for (step, proof) in done.chain([(undo, proof.clone())]).chain(start) {
            if self.proof(&step.id).is_some() {
                continue;
            }
            if *self.step(&step.id) != StepState::Intended {
                events.push(Event::Intent { step: step.id.clone(), attempt: self.tries(&step.id) + 1 });
            }
            let (step, says) = (step.id.clone(), BY_ITSELF.to_owned());
            events.push(Event::Probed { step, state: ProbeState::Done, proof, says });
        }
        events
    }
}
