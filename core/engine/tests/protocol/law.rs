//! The engine as an automaton: every state of a run that can be reached, found by folding the real events and asking the
//! real [`RunState::next`]. A coordinator of the model holds the number of such a state, as a real one holds its journal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use belay_engine::{
    Command, EndState, Event, Fault, FaultKind, NodeTale, ProbeState, Record, RunState, StepState, TurnCause,
};
use belay_facts::Span;
use belay_plan::{Plan, Reached, Step, StepKind};

/// A state of a run, by number.
pub type Fold = u16;
/// A step of the plan or of one of its ways back, by number.
pub type StepNo = u8;

/// Why a step was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum No {
    Refused,
    Stale,
    Failed,
    /// A gate said no.
    Gate,
    Inconclusive,
    Fenced,
    /// The outcome is unknown.
    Channel,
}

impl No {
    const fn kind(self) -> FaultKind {
        match self {
            Self::Refused => FaultKind::Refused,
            Self::Stale => FaultKind::Stale,
            Self::Failed => FaultKind::Failed,
            Self::Gate => FaultKind::GateNo,
            Self::Inconclusive => FaultKind::Inconclusive,
            Self::Fenced => FaultKind::Fenced,
            Self::Channel => FaultKind::Channel,
        }
    }
}

/// How a run ended on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Committed,
    Restored,
    Unchanged,
    NeedsHuman,
}

impl End {
    const fn of(state: EndState) -> Self {
        match state {
            EndState::Committed => Self::Committed,
            EndState::Restored => Self::Restored,
            EndState::Unchanged => Self::Unchanged,
            EndState::NeedsHuman => Self::NeedsHuman,
        }
    }

    const fn state(self) -> EndState {
        match self {
            Self::Committed => EndState::Committed,
            Self::Restored => EndState::Restored,
            Self::Unchanged => EndState::Unchanged,
            Self::NeedsHuman => EndState::NeedsHuman,
        }
    }
}

/// A record that is appended to the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    Intent(StepNo),
    Done(StepNo),
    Not(StepNo, No),
    Probed(StepNo, bool),
    /// The turn that the engine asks for.
    Turn,
    /// The turn that a person asks for.
    Asked,
    Resumed,
    /// Somebody else has taken the node.
    Superseded,
    End(End),
}

/// What the engine wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Do(StepNo),
    Probe(StepNo),
    Turn,
    /// Somebody else holds the node.
    Leave,
    End(End),
    Finished(End),
}

/// What a node tells of what it did alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tale {
    pub turned: bool,
    pub stopped: bool,
    /// The new version may have run.
    pub started: bool,
    /// The way back was gone.
    pub back: bool,
    pub guarded: bool,
    /// The guard let the run go, K3s never having been stopped.
    pub released: bool,
}

/// What there is to know of one state.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub next: Next,
    pub turned: bool,
    pub prepared: bool,
    pub ended: Option<End>,
    pub may_ask: bool,
    /// Grows with every record.
    pub progress: u16,
}

pub struct Law {
    plan: Plan,
    steps: Vec<Step>,
    memo: Mutex<Memo>,
}

#[derive(Default)]
struct Memo {
    states: Vec<(RunState, Standing)>,
    known: HashMap<String, Fold>,
    after: HashMap<(Fold, Told), Fold>,
    adopted: HashMap<(Fold, Tale), Fold>,
}

impl Law {
    pub fn of(plan: Plan) -> Self {
        let mut steps: Vec<Step> = plan.steps().cloned().collect();
        for step in Reached::ALL.iter().flat_map(|reached| plan.inverse(*reached)) {
            if !steps.iter().any(|known| known.id == step.id) {
                steps.push(step);
            }
        }
        let law = Self { plan, steps, memo: Mutex::default() };
        let mut opened = RunState::default();
        let (from, to) = (law.plan.from.clone(), law.plan.to.clone());
        let event = Event::Open { plan: law.plan.digest, from, to, by: "model".into(), belay: "0".into() };
        opened.apply(&law.plan, &law.record(event)).unwrap();
        assert_eq!(law.number(&mut law.memo(), opened), 0);
        law
    }

    /// An opened run.
    pub const START: Fold = 0;

    fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap()
    }

    /// How many states of a run were seen.
    pub fn folds(&self) -> usize {
        self.memo().states.len()
    }

    pub fn kind(&self, step: StepNo) -> StepKind {
        self.steps[usize::from(step)].kind
    }

    pub fn name(&self, step: StepNo) -> &str {
        &self.steps[usize::from(step)].id
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.id.as_str())
    }

    /// Whether it is a step of the plan, and not of a way back.
    pub fn is_forward(&self, step: StepNo) -> bool {
        self.plan.steps().any(|forward| forward.id == self.steps[usize::from(step)].id)
    }

    pub fn standing(&self, fold: Fold) -> Standing {
        self.memo().states[usize::from(fold)].1
    }

    pub fn was_begun(&self, fold: Fold, step: StepNo) -> bool {
        self.memo().states[usize::from(fold)].0.tries(&self.steps[usize::from(step)].id) > 0
    }

    /// Appends a record.
    pub fn after(&self, fold: Fold, told: Told) -> Fold {
        let mut memo = self.memo();
        if let Some(after) = memo.after.get(&(fold, told)) {
            return *after;
        }
        let mut state = memo.states[usize::from(fold)].0.clone();
        let event = self.event(&state, told);
        self.append(&mut state, event);
        let number = self.number(&mut memo, state);
        memo.after.insert((fold, told), number);
        number
    }

    /// As the runner adopts what the node did by itself: its turns, and the way back up to the exchange where that is done.
    pub fn adopt(&self, fold: Fold, told: Tale) -> Fold {
        if let Some(after) = self.memo().adopted.get(&(fold, told)) {
            return *after;
        }
        let tale = NodeTale {
            turned: told.turned,
            stopped: told.stopped,
            started: told.started,
            ended: told.released.then(|| "unchanged".to_owned()),
            guard: told.guarded.then(|| "the guard acted".to_owned()),
            ..NodeTale::default()
        };
        let mut state = self.state(fold);
        while let Some(turn) = state.adopted_turn(&self.plan, &tale) {
            self.append(&mut state, turn);
        }
        let released = told.released && told.guarded;
        if let Some(undo) = state.undo_to_adopt(&self.plan, released).filter(|_| told.back || released) {
            for event in state.adopted_steps(&self.plan, &undo, &serde_json::Value::Null, released) {
                self.append(&mut state, event);
            }
        }
        let mut memo = self.memo();
        let number = self.number(&mut memo, state);
        memo.adopted.insert((fold, told), number);
        number
    }

    fn state(&self, fold: Fold) -> RunState {
        self.memo().states[usize::from(fold)].0.clone()
    }

    fn append(&self, state: &mut RunState, event: Event) {
        let record = self.record(event);
        state.apply(&self.plan, &record).unwrap_or_else(|why| panic!("{record:?} after {state:#?}: {why}"));
    }

    fn event(&self, state: &RunState, told: Told) -> Event {
        let id = |step: StepNo| self.steps[usize::from(step)].id.clone();
        let proof = serde_json::Value::Null;
        let took = Span::ZERO;
        match told {
            Told::Intent(step) => Event::Intent { step: id(step), attempt: state.tries(&id(step)) + 1 },
            Told::Done(step) => Event::Outcome { step: id(step), ok: true, proof, fault: None, took },
            Told::Not(step, no) => {
                let fault = Some(Fault { kind: no.kind(), message: String::new(), hint: None });
                Event::Outcome { step: id(step), ok: false, proof, fault, took }
            }
            Told::Probed(step, done) => {
                let state = if done { ProbeState::Done } else { ProbeState::NotDone };
                Event::Probed { step: id(step), state, proof, says: String::new() }
            }
            Told::Turn | Told::Asked => {
                let reached = match (state.next(&self.plan), told) {
                    (Command::Turn { reached, .. }, Told::Turn) => reached,
                    _ => state.reached(&self.plan),
                };
                let cause = TurnCause { step: None, asked: told == Told::Asked, why: String::new(), fault: None };
                Event::Turn { reached, cause }
            }
            Told::Resumed => Event::Resumed { by: "model".into(), belay: "0".into(), back: false },
            Told::Superseded => Event::Superseded { says: String::new() },
            Told::End(end) => Event::End { state: end.state(), why: String::new() },
        }
    }

    /// The generation is the model's own business: here it would only double the states.
    fn record(&self, event: Event) -> Record {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Record { run: self.plan.id.clone(), generation: 1, at, up: 0, boot: "b".into(), event }
    }

    fn number(&self, memo: &mut Memo, state: RunState) -> Fold {
        let key = format!("{state:?}");
        if let Some(known) = memo.known.get(&key) {
            return *known;
        }
        let number = Fold::try_from(memo.states.len()).unwrap();
        let standing = self.stand(&state);
        memo.states.push((state, standing));
        memo.known.insert(key, number);
        number
    }

    fn progress(&self, state: &RunState) -> u16 {
        let steps = self.steps.iter().map(|step| {
            let tries = u16::try_from(state.tries(&step.id)).unwrap();
            3 * tries + u16::from(tries > 0 && *state.step(&step.id) != StepState::Intended)
        });
        let resumes = format!("{state:?}");
        let resumes = resumes.split_once("resumes: ").and_then(|(_, rest)| rest.split_once(',')).unwrap();
        let resumes: u16 = resumes.0.parse().unwrap();
        steps.sum::<u16>() + resumes + u16::from(state.turn().is_some()) + u16::from(state.end().is_some())
    }

    fn stand(&self, state: &RunState) -> Standing {
        let no =
            |step: &Step| StepNo::try_from(self.steps.iter().position(|known| known.id == step.id).unwrap()).unwrap();
        let next = match state.next(&self.plan) {
            Command::Do { step, .. } => Next::Do(no(&step)),
            Command::Probe { step } => Next::Probe(no(&step)),
            Command::Turn { .. } => Next::Turn,
            Command::Leave { .. } => Next::Leave,
            Command::End { state, .. } => Next::End(End::of(state)),
            Command::Finished { state } => Next::Finished(End::of(state)),
        };
        Standing {
            next,
            turned: state.turn().is_some(),
            prepared: state.reached(&self.plan) == Reached::Prepared,
            ended: state.end().map(End::of),
            may_ask: state.ask_back(&self.plan, "").is_some(),
            progress: self.progress(state),
        }
    }
}
