//! Coordinators, nodes and what lies between them, as a model of stateright: every order of events, with a bounded number of
//! faults.

use std::collections::BTreeSet;
use std::sync::Mutex;

use belay_facts::Mutant;
use belay_plan::StepKind;
use stateright::{Model, Property};

use crate::flaw::Flaw;
use crate::law::{End, Fold, Law, Next, No, StepNo, Told};
use crate::node::{Answer, Guard, Lease, Node, Request, Version, What};
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
    pub armed: bool,
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

impl Protocol {
    fn is(&self, mutant: Mutant) -> bool {
        self.flaw == Some(Flaw::Bug(mutant))
    }

    /// Whether nothing happens any more unless somebody comes back.
    pub fn is_quiet(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        let comes_back = |action: &Action| matches!(action, Action::Resume(_) | Action::TakeOver | Action::Revive(_));
        let fate = |action: &Action| is_fault(*action);
        let refused = |action: &Action| matches!(action, Action::Rise(n) if state.nodes[usize::from(*n)].half);
        actions.iter().all(|action| comes_back(action) || fate(action) || refused(action))
    }

    /// A request arrives, and the helper does what it asks under the node's lock.
    fn carry_out(&self, state: &mut State, request: Request, half: bool) -> Answer {
        let others_up =
            state.nodes.iter().enumerate().all(|(n, node)| n == usize::from(request.node) || node.running.is_some());
        let flaw = self.flaw;
        let node = &mut state.nodes[usize::from(request.node)];
        let newest = node.newest;
        if let Err(no) = node.admit(request, flaw) {
            return Answer::Not(no);
        }
        node.newest = newest.max(request.generation);
        node.hear(flaw);
        if let What::Probe(step) = request.what {
            return Answer::Found(node.is_done(self.law.kind(step)));
        }
        if request.generation < newest {
            state.broken |= property::OLD_GENERATION;
        }
        if node.last.0 == request.generation && node.last.1 != request.life {
            state.broken |= property::TWO_OF_A_GENERATION;
        }
        node.last = (request.generation, request.life);
        if request.what == What::Claim {
            return Answer::Claimed { turned: node.turned, back: node.went_back, ended: node.ended, copy: node.copy };
        }
        let further = |(generation, fold)| (generation, self.law.standing(fold).progress);
        let journal = (request.generation, request.journal);
        if further(journal) < further(node.copy) && self.flaw != Some(Flaw::LateRequest) {
            return Answer::Not(No::Fenced);
        }
        if further(journal) > further(node.copy) {
            node.copy = journal;
        }
        let releases = matches!(request.what, What::Do(step) if self.law.kind(step) == StepKind::Release || self.law.kind(step) == StepKind::Commit);
        if node.ended.is_some() && !releases {
            return Answer::Not(No::Refused);
        }
        match request.what {
            What::Arm => {
                if node.turned {
                    return Answer::Not(No::Refused);
                }
                node.lease = Lease::Running { renewed: true };
                Answer::Noted
            }
            What::Vouch(_) => {
                node.vouched = true;
                Answer::Noted
            }
            What::Turn => {
                node.turned = true;
                node.stood_down = false;
                Answer::Noted
            }
            What::StandDown => {
                node.stood_down = true;
                node.lease = Lease::Off;
                Answer::Noted
            }
            What::Do(step) => {
                let (kind, forward) = (self.law.kind(step), self.law.is_forward(step));
                let intended =
                    state.coordinators.iter().any(|c| self.law.was_begun(c.folds[usize::from(request.node)], step));
                if !intended {
                    state.broken |= property::NO_INTENT;
                }
                if kind == StepKind::Stop && forward && !others_up {
                    if flaw != Some(Flaw::NoQuorum) {
                        return Answer::Not(No::Refused);
                    }
                    state.broken |= property::QUORUM;
                }
                let node = &mut state.nodes[usize::from(request.node)];
                let back = matches!(kind, StepKind::PutBack | StepKind::SwapBack);
                if back && node.written_by_new && node.kept && !node.exact {
                    state.broken |= property::STALE_COPY;
                }
                if back && half && node.is_new() && node.running.is_none() {
                    node.half = true;
                    return Answer::Not(No::Channel);
                }
                match node.act(kind, forward, flaw) {
                    Ok(()) => Answer::Done,
                    Err(no) => Answer::Not(no),
                }
            }
            What::Claim | What::Probe(_) => Answer::Noted,
        }
    }

    fn ask(&self, coordinator: &mut Coordinator, what: What) {
        coordinator.doing = Doing::Asked(what);
        coordinator.inbox = None;
        let Coordinator { number, at, generation, .. } = *coordinator;
        let journal = coordinator.folds[usize::from(at)];
        coordinator.wire = Some(Request { life: number, node: at, generation, journal, what });
    }

    fn told(&self, coordinator: &mut Coordinator, told: Told) {
        let fold = &mut coordinator.folds[usize::from(coordinator.at)];
        *fold = self.law.after(*fold, told);
        coordinator.doing = Doing::Nothing;
    }

    /// The engine's next command.
    fn go(&self, c: &mut Coordinator) {
        if !c.claimed {
            if self.flaw != Some(Flaw::LookBeforeFence) {
                return self.ask(c, What::Claim);
            }
            c.claimed = true;
        }
        let standing = self.law.standing(c.folds[usize::from(c.at)]);
        if c.wish && standing.may_ask {
            if standing.prepared {
                return self.told(c, Told::Asked);
            }
            return self.ask(c, What::Turn);
        }
        match standing.next {
            Next::Do(step) => match self.law.kind(step) {
                StepKind::Stage | StepKind::Backup | StepKind::ProveBackup | StepKind::CopyBackup => {
                    self.told(c, Told::Intent(step));
                    self.told(c, Told::Done(step));
                    if self.coarse {
                        self.go(c);
                    }
                }
                StepKind::Baseline if self.coarse => {
                    self.told(c, Told::Intent(step));
                    self.told(c, Told::Done(step));
                }
                StepKind::Baseline | StepKind::Gate | StepKind::Soak => {
                    self.told(c, Told::Intent(step));
                    c.doing = Doing::Here(step);
                }
                StepKind::Stop if self.law.is_forward(step) && !c.armed => self.ask(c, What::Arm),
                _ => {
                    if !self.is(Mutant::EffectBeforeIntent) {
                        self.told(c, Told::Intent(step));
                    }
                    self.ask(c, What::Do(step));
                }
            },
            Next::Probe(step) => self.ask(c, What::Probe(step)),
            Next::Turn if self.is(Mutant::TurnNotTold) || standing.prepared => {
                self.told(c, Told::Turn);
            }
            Next::Turn => self.ask(c, What::Turn),
            Next::End(End::NeedsHuman) => self.ask(c, What::StandDown),
            Next::End(end) => self.told(c, Told::End(end)),
            Next::Finished(End::Committed) if c.at + 1 < self.servers => {
                c.at += 1;
                c.claimed = c.generation == 1;
                c.armed = false;
            }
            Next::Finished(_) => c.life = Life::Over,
        }
    }

    fn hear(&self, c: &mut Coordinator, what: What, answer: Answer) {
        c.doing = Doing::Nothing;
        if answer == Answer::Not(No::Fenced) {
            c.life = Life::Refused;
            return;
        }
        match (what, answer) {
            (What::Claim, Answer::Claimed { turned, back, ended, copy }) => {
                c.claimed = true;
                let before = c.before;
                let fold = &mut c.folds[usize::from(c.at)];
                let further = |(generation, fold)| (generation, self.law.standing(fold).progress);
                if further(copy) > further((before, *fold)) && self.flaw != Some(Flaw::OldJournal) {
                    *fold = copy.1;
                }
                if matches!(self.law.standing(*fold).ended, None | Some(End::NeedsHuman)) {
                    *fold = self.law.after(*fold, Told::Resumed);
                    *fold = match ended {
                        // It reads the result.
                        Some(end) => self.law.after(*fold, Told::End(end)),
                        None => self.law.adopt(*fold, turned, back),
                    };
                }
            }
            (What::Arm, Answer::Noted) => c.armed = true,
            (What::Do(step), answer) => {
                if self.is(Mutant::EffectBeforeIntent) {
                    self.told(c, Told::Intent(step));
                }
                match answer {
                    Answer::Not(no) => self.told(c, Told::Not(step, no)),
                    _ => self.told(c, Told::Done(step)),
                }
            }
            (What::Probe(step), Answer::Found(done)) => self.told(c, Told::Probed(step, done)),
            (What::Vouch(step), Answer::Not(no)) => self.vouched(c, step, Some(no)),
            (What::Vouch(step), _) => self.vouched(c, step, None),
            // The turn is journalled when the node knows it.
            (What::Turn, _) => self.told(c, Told::Turn),
            (What::StandDown, _) => self.told(c, Told::End(End::NeedsHuman)),
            // The node went back by itself, or the run ended on it: it is read again.
            _ => c.claimed = false,
        }
    }

    /// The outcome of a gate, once the node knows it as well.
    fn vouched(&self, c: &mut Coordinator, step: StepNo, no: Option<No>) {
        self.told(c, no.map_or(Told::Done(step), |no| Told::Not(step, no)));
    }

    fn judge(&self, state: &mut State, c: usize, in_time: bool) {
        let good = state.new_is_good;
        let Doing::Here(step) = state.coordinators[c].doing else { return };
        let coordinator = &mut state.coordinators[c];
        let node = &mut state.nodes[usize::from(coordinator.at)];
        node.hear(self.flaw);
        let (kind, forward) = (self.law.kind(step), self.law.is_forward(step));
        let wanted = if forward && kind != StepKind::Baseline { Version::New } else { Version::Old };
        let yes = node.running == Some(wanted) && (wanted == Version::Old || good);
        match (in_time, yes) {
            (false, _) => self.told(coordinator, Told::Not(step, No::Inconclusive)),
            (true, false) => self.told(coordinator, Told::Not(step, No::GateNo)),
            (true, true) if kind == StepKind::Gate && forward => self.ask(coordinator, What::Vouch(step)),
            (true, true) => self.told(coordinator, Told::Done(step)),
        }
    }

    fn give_up(&self, state: &mut State, c: usize) {
        let coordinator = &mut state.coordinators[c];
        let Doing::Asked(what) = coordinator.doing else { return };
        state.strays.extend(coordinator.wire.take());
        coordinator.doing = Doing::Nothing;
        match what {
            What::Do(step) => {
                if self.is(Mutant::EffectBeforeIntent) {
                    self.told(coordinator, Told::Intent(step));
                }
                self.told(coordinator, Told::Not(step, No::Channel));
            }
            What::Vouch(step) => self.vouched(coordinator, step, Some(No::Channel)),
            What::Turn if self.flaw == Some(Flaw::TurnUntold) => self.told(coordinator, Told::Turn),
            What::StandDown => self.told(coordinator, Told::End(End::NeedsHuman)),
            What::Claim | What::Arm | What::Probe(_) | What::Turn => {}
        }
    }

    fn crash(&self, state: &mut State, c: usize, arrives: bool) {
        let coordinator = &mut state.coordinators[c];
        let fold = coordinator.folds[usize::from(coordinator.at)];
        let phase = match (coordinator.doing, self.law.standing(fold).next) {
            (Doing::Asked(What::Do(step) | What::Probe(step)) | Doing::Here(step), _) => self.law.name(step).to_owned(),
            (Doing::Asked(what), _) => format!("{what:?}").to_lowercase(),
            (Doing::Nothing, Next::Do(step) | Next::Probe(step)) => format!("before {}", self.law.name(step)),
            (Doing::Nothing, next) => format!("before {next:?}").to_lowercase(),
        };
        self.crashed_in.lock().unwrap().insert(phase);
        let wire = coordinator.wire.take();
        state.strays.extend(wire.filter(|_| arrives));
        coordinator.life = Life::Dead;
        coordinator.doing = Doing::Nothing;
        coordinator.inbox = None;
    }

    /// Goes on with the journal that it has: its own, or a copy of the other's.
    fn resume(&self, state: &mut State, c: usize) {
        state.lives += 1;
        let number = state.lives;
        let coordinator = &mut state.coordinators[c];
        coordinator.before = coordinator.generation;
        let fence = state.nodes[usize::from(coordinator.at)].fence;
        if !self.is(Mutant::KeepGeneration) {
            coordinator.generation = coordinator.generation.max(fence) + 1;
        }
        coordinator.number = number;
        coordinator.life = Life::Up;
        coordinator.claimed = false;
        coordinator.armed = false;
        coordinator.wish = false;
        coordinator.doing = Doing::Nothing;
        coordinator.wire = None;
        coordinator.inbox = None;
    }

    /// The guard fires: the lease is over, and nobody was heard.
    fn fire(&self, state: &mut State, n: usize) {
        let at = u8::try_from(n).unwrap();
        let lively = state.coordinators.iter().any(|c| self.is_lively(c, at));
        let node = &mut state.nodes[n];
        if node.spoke || lively && self.is(Mutant::ShortLease) {
            state.broken |= property::GUARD_WHILE_HEARD;
        }
        if node.ended.is_some() {
            state.broken |= property::GUARD_AFTER_END;
        }
        let (vouched, turned) = (node.vouched, node.turned);
        node.decide(self.flaw);
        if vouched && !turned && node.turned {
            state.broken |= property::BACK_AFTER_VOUCH;
        }
    }

    /// At work on this node, with an answer to come or something to ask: its next request is not a lease away.
    fn is_lively(&self, c: &Coordinator, node: u8) -> bool {
        let lost = matches!(c.doing, Doing::Asked(_)) && c.wire.is_none() && c.inbox.is_none();
        c.life == Life::Up && c.at == node && !lost
    }

    fn boot(&self, state: &mut State, n: usize) {
        let node = &mut state.nodes[n];
        node.running = None;
        node.stopped = false;
        let armed = node.lease != Lease::Off;
        let open = node.ended.is_none() && !node.stood_down;
        let decided = node.half || node.guard == Guard::Decided || open && node.turned && !node.went_back;
        if decided || open && armed && !node.vouched && node.path == Version::New {
            if node.guard != Guard::Decided {
                node.decide(self.flaw);
            }
            node.turned |= node.half;
            node.finish(self.flaw);
        } else {
            let _ = node.start(self.flaw);
        }
    }

    fn tick(&self, state: &mut State, n: usize) {
        let node = &mut state.nodes[n];
        match node.lease {
            Lease::Running { renewed: true } if !self.is(Mutant::ShortLease) => {
                node.lease = Lease::Running { renewed: false };
                node.spoke = false;
            }
            // Nothing to do now; the run may still turn, and then there is.
            Lease::Running { .. } if self.flaw == Some(Flaw::GuardLeaves) && !node.needs_guard(self.flaw) => {
                node.lease = Lease::Off;
            }
            Lease::Running { .. } => node.lease = Lease::Over,
            Lease::Off | Lease::Over => {}
        }
    }
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
            armed: false,
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
