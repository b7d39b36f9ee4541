//! Coordinators, nodes and what lies between them, as a model of stateright: every order of events, with a bounded number of
//! faults.

use std::collections::BTreeSet;
use std::sync::Mutex;

use belay_facts::Mutant;
use belay_plan::StepKind;
use stateright::{Model, Property};

use crate::flaw::Flaw;
use crate::law::{Fold, Law, No, StepNo};
use crate::node::{Answer, Guard, Lease, Node, Request, What};
use crate::property::{self, Broken};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// The standby before it takes over.
    Off,
    Up,
    /// Stopped for a while, longer than the lease perhaps.
    Paused,
    Dead,
    /// The node said that somebody newer holds it.
    Refused,
    /// The run has ended for it.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    Nothing,
    /// A request is out, or its answer, or it was lost.
    Asked(What),
    /// It asks gates.
    Here(StepNo),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinator {
    pub life: Life,
    /// Its number among all lives of all coordinators.
    pub number: u8,
    /// Its journal, for each node.
    pub folds: Vec<Fold>,
    /// The node whose turn it is.
    pub at: u8,
    pub generation: u8,
    /// The generation of the last record of its journal before it took over.
    pub before: u8,
    pub claimed: bool,
    /// A person has asked for the way back.
    pub wish: bool,
    pub doing: Doing,
    pub wire: Option<Request>,
    pub inbox: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub coordinators: [Coordinator; 2],
    pub nodes: Vec<Node>,
    /// Requests of broken channels and dead coordinators, which may still arrive, and repeated ones.
    pub strays: Vec<Request>,
    pub lives: u8,
    /// Faults that may still come.
    pub faults: u8,
    /// A message was lost.
    pub lost: bool,
    pub new_is_good: bool,
    pub broken: Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Go(u8),
    Deliver(u8),
    /// What the gates say: as it is, or nothing in time.
    Judge(u8, bool),
    GiveUp(u8),
    Lose(u8),
    LoseAnswer(u8),
    Repeat(u8),
    HalfWay(u8),
    Stray(u8),
    DropStray(u8),
    AskBack(u8),
    Crash(u8, bool),
    Pause(u8),
    Revive(u8),
    Resume(u8),
    TakeOver,
    Boot(u8),
    Fall(u8),
    Rise(u8),
    Tick(u8),
    Fire(u8),
    Finish(u8),
}

pub struct Protocol {
    pub law: Law,
    pub servers: u8,
    pub faults: u8,
    /// Steps without an effect on the protocol (stage, backup and its proof) are done in one.
    pub coarse: bool,
    pub flaw: Option<Flaw>,
    /// Steps in which a coordinator was killed, over all that was explored.
    pub crashed_in: Mutex<BTreeSet<String>>,
}

pub const fn is_fault(action: Action) -> bool {
    use Action::{AskBack, Boot, Crash, Fall, HalfWay, Lose, LoseAnswer, Pause, Repeat};
    matches!(
        action,
        AskBack(_) | Boot(_) | Crash(..) | Fall(_) | HalfWay(_) | Lose(_) | LoseAnswer(_) | Pause(_) | Repeat(_)
    )
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let nodes = vec![Node::FRESH; usize::from(self.servers)];
        let coordinator = |life, number| Coordinator {
            life,
            number,
            folds: vec![Law::START; nodes.len()],
            at: 0,
            generation: 1,
            before: 0,
            claimed: true,
            wish: false,
            doing: Doing::Nothing,
            wire: None,
            inbox: None,
        };
        let state = |new_is_good| State {
            coordinators: [coordinator(Life::Up, 0), coordinator(Life::Off, 1)],
            nodes: nodes.clone(),
            strays: Vec::new(),
            lives: 1,
            faults: self.faults,
            lost: false,
            new_is_good,
            broken: Broken::NONE,
        };
        vec![state(true), state(false)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        use Action::*;
        if state.broken != Broken::NONE {
            return;
        }
        let fate = state.faults > 0;
        for (c, coordinator) in (0_u8..).zip(&state.coordinators) {
            match coordinator.life {
                Life::Up => {
                    match coordinator.doing {
                        Doing::Nothing => {
                            actions.push(Go(c));
                            let standing = self.law.standing(coordinator.folds[usize::from(coordinator.at)]);
                            if fate && standing.may_ask && !coordinator.wish {
                                actions.push(AskBack(c));
                            }
                        }
                        Doing::Here(_) => {
                            actions.push(Judge(c, true));
                            if fate {
                                actions.push(Judge(c, false));
                            }
                        }
                        Doing::Asked(_) if coordinator.wire.is_none() || fate => actions.push(GiveUp(c)),
                        Doing::Asked(_) => {}
                    }
                    if fate {
                        actions.extend([Crash(c, false), Pause(c)]);
                        if coordinator.wire.is_some() {
                            actions.push(Crash(c, true));
                        }
                    }
                }
                // An answer that came meanwhile is heard first.
                Life::Paused => actions.push(Revive(c)),
                // Somebody else may have taken over; then it is one more thing that goes wrong.
                Life::Dead if fate || state.coordinators[usize::from(1 - c)].life == Life::Off => {
                    actions.push(Resume(c))
                }
                Life::Refused if fate => actions.push(Resume(c)),
                Life::Off if matches!(state.coordinators[0].life, Life::Paused | Life::Dead | Life::Refused) => {
                    actions.push(TakeOver);
                }
                Life::Off if fate && state.coordinators[0].life == Life::Up => actions.push(TakeOver),
                Life::Off | Life::Dead | Life::Refused | Life::Over => {}
            }
            if let Some(request) = coordinator.wire {
                actions.push(Deliver(c));
                if fate {
                    actions.extend([Lose(c), LoseAnswer(c), Repeat(c)]);
                    if matches!(request.what, What::Do(step) if matches!(self.law.kind(step), StepKind::PutBack | StepKind::SwapBack))
                    {
                        actions.push(HalfWay(c));
                    }
                }
            }
        }
        for (n, _) in (0_u8..).zip(&state.strays) {
            actions.extend([Stray(n), DropStray(n)]);
        }
        for (n, node) in (0_u8..).zip(&state.nodes) {
            if fate {
                actions.push(Boot(n));
                if node.running.is_some() {
                    actions.push(Fall(n));
                }
            }
            // Somebody may try it by hand also where the marker is.
            if node.running.is_none() && (!node.stopped || node.half) {
                actions.push(Rise(n));
            }
            let lively = state.coordinators.iter().any(|c| self.is_lively(c, n));
            let running = matches!(node.lease, Lease::Running { .. });
            if running && (node.spoke || !lively || self.is(Mutant::ShortLease)) {
                actions.push(Tick(n));
            }
            if node.lease == Lease::Over && node.guard != Guard::Decided && node.needs_guard(self.flaw) {
                actions.push(Fire(n));
            }
            if node.guard == Guard::Decided {
                actions.push(Finish(n));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        use Action::*;
        let mut state = last.clone();
        if is_fault(action) || matches!(action, Judge(_, false)) {
            state.faults -= 1;
        }
        match action {
            Go(c) => self.go(&mut state.coordinators[usize::from(c)]),
            Deliver(c) | Repeat(c) | HalfWay(c) | LoseAnswer(c) => {
                let request = state.coordinators[usize::from(c)].wire.take()?;
                let answer = self.carry_out(&mut state, request, matches!(action, HalfWay(_)));
                let lost = matches!(action, LoseAnswer(_));
                state.lost |= lost;
                let coordinator = &mut state.coordinators[usize::from(c)];
                match (coordinator.life, coordinator.doing) {
                    _ if lost || answer == Answer::Not(No::Channel) => {}
                    (Life::Up, Doing::Asked(what)) => self.hear(coordinator, what, answer),
                    (Life::Paused, _) => coordinator.inbox = Some(answer),
                    _ => {}
                }
                if matches!(action, Repeat(_)) {
                    state.strays.push(request);
                }
            }
            Judge(c, in_time) => self.judge(&mut state, usize::from(c), in_time),
            GiveUp(c) => {
                if state.coordinators[usize::from(c)].wire.is_some() {
                    state.faults -= 1;
                }
                self.give_up(&mut state, usize::from(c));
            }
            Lose(c) => {
                state.coordinators[usize::from(c)].wire = None;
                state.lost = true;
            }
            Stray(n) => {
                let request = state.strays.remove(usize::from(n));
                self.carry_out(&mut state, request, false);
            }
            DropStray(n) => {
                state.strays.remove(usize::from(n));
            }
            AskBack(c) => state.coordinators[usize::from(c)].wish = true,
            Crash(c, arrives) => self.crash(&mut state, usize::from(c), arrives),
            Pause(c) => state.coordinators[usize::from(c)].life = Life::Paused,
            Revive(c) => {
                let coordinator = &mut state.coordinators[usize::from(c)];
                coordinator.life = Life::Up;
                if let (Some(answer), Doing::Asked(what)) = (coordinator.inbox.take(), coordinator.doing) {
                    self.hear(coordinator, what, answer);
                }
            }
            Resume(c) => {
                let alone = state.coordinators[usize::from(1 - c)].life == Life::Off;
                if state.coordinators[usize::from(c)].life == Life::Refused || !alone {
                    state.faults -= 1;
                }
                self.resume(&mut state, usize::from(c));
            }
            TakeOver => {
                if state.coordinators[0].life == Life::Up {
                    state.faults -= 1;
                }
                let Coordinator { ref folds, at, generation, .. } = state.coordinators[0];
                let (folds, standby) = (folds.clone(), 1);
                let coordinator = &mut state.coordinators[standby];
                (coordinator.folds, coordinator.at, coordinator.generation) = (folds, at, generation);
                self.resume(&mut state, standby);
            }
            Boot(n) => self.boot(&mut state, usize::from(n)),
            Fall(n) => {
                let node = &mut state.nodes[usize::from(n)];
                (node.running, node.stopped) = (None, false);
            }
            Rise(n) => {
                state.nodes[usize::from(n)].start(self.flaw).ok()?;
            }
            Tick(n) => self.tick(&mut state, usize::from(n)),
            Fire(n) => self.fire(&mut state, usize::from(n)),
            Finish(n) => state.nodes[usize::from(n)].finish(self.flaw),
        }
        state.strays.sort_unstable();
        property::check(self, &mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        property::all()
    }
}
