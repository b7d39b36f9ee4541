//! What coordinators, nodes and fate do: each changes a state.

use belay_facts::Mutant;
use belay_plan::StepKind;
use stateright::Model;

use crate::flaw::Flaw;
use crate::law::{End, Next, No, StepNo, Told};
use crate::node::{Answer, Guard, Lease, Request, Version, What};
use crate::property;
use crate::world::{Action, Coordinator, Doing, Life, Protocol, State, is_fault};

impl Protocol {
    pub fn is(&self, mutant: Mutant) -> bool {
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
    pub fn carry_out(&self, state: &mut State, request: Request, half: bool) -> Answer {
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
            return Answer::Claimed { tale: node.tale(), ended: node.ended, copy: node.copy };
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
                match node.act(kind, flaw) {
                    Ok(()) => Answer::Done,
                    Err(no) => Answer::Not(no),
                }
            }
            What::Claim | What::Probe(_) => Answer::Noted,
        }
    }

    pub fn ask(&self, coordinator: &mut Coordinator, what: What) {
        coordinator.doing = Doing::Asked(what);
        coordinator.inbox = None;
        let Coordinator { number, at, generation, .. } = *coordinator;
        let journal = coordinator.folds[usize::from(at)];
        coordinator.wire = Some(Request { life: number, node: at, generation, journal, what });
    }

    pub fn told(&self, coordinator: &mut Coordinator, told: Told) {
        let fold = &mut coordinator.folds[usize::from(coordinator.at)];
        *fold = self.law.after(*fold, told);
        coordinator.doing = Doing::Nothing;
    }

    /// The engine's next command.
    pub fn go(&self, c: &mut Coordinator) {
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
            }
            Next::Leave => c.life = Life::Refused,
            Next::Finished(_) => c.life = Life::Over,
        }
    }

    pub fn hear(&self, c: &mut Coordinator, what: What, answer: Answer) {
        c.doing = Doing::Nothing;
        if answer == Answer::Not(No::Fenced) {
            match what {
                // The outcome of the step says it.
                What::Do(_) => {}
                What::Claim | What::StandDown => return c.life = Life::Refused,
                What::Probe(_) | What::Turn | What::Vouch(_) => return self.told(c, Told::Superseded),
            }
        }
        match (what, answer) {
            (What::Claim, Answer::Claimed { tale, ended, copy }) => {
                c.claimed = true;
                let before = c.before;
                let fold = &mut c.folds[usize::from(c.at)];
                let further = |(generation, fold)| (generation, self.law.standing(fold).progress);
                if further(copy) > further((before, *fold)) {
                    *fold = copy.1;
                }
                if matches!(self.law.standing(*fold).ended, None | Some(End::NeedsHuman)) {
                    *fold = self.law.after(*fold, Told::Resumed);
                    *fold = match ended {
                        // It reads the result.
                        Some(end) if !tale.released => self.law.after(*fold, Told::End(end)),
                        _ => self.law.adopt(*fold, tale),
                    };
                }
            }
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
    pub fn vouched(&self, c: &mut Coordinator, step: StepNo, no: Option<No>) {
        self.told(c, no.map_or(Told::Done(step), |no| Told::Not(step, no)));
    }

    pub fn judge(&self, state: &mut State, c: usize, in_time: bool) {
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
            (true, false) => self.told(coordinator, Told::Not(step, No::Gate)),
            (true, true) if kind == StepKind::Gate && forward => self.ask(coordinator, What::Vouch(step)),
            (true, true) => self.told(coordinator, Told::Done(step)),
        }
    }

    pub fn give_up(&self, state: &mut State, c: usize) {
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
            What::StandDown => self.told(coordinator, Told::End(End::NeedsHuman)),
            What::Claim | What::Probe(_) | What::Turn => {}
        }
    }

    pub fn crash(&self, state: &mut State, c: usize, arrives: bool) {
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
    pub fn resume(&self, state: &mut State, c: usize) {
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
        coordinator.wish = false;
        coordinator.doing = Doing::Nothing;
        coordinator.wire = None;
        coordinator.inbox = None;
    }

    /// The guard fires: the lease is over, and nobody was heard.
    pub fn fire(&self, state: &mut State, n: usize) {
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
    pub fn is_lively(&self, c: &Coordinator, node: u8) -> bool {
        let lost = matches!(c.doing, Doing::Asked(_)) && c.wire.is_none() && c.inbox.is_none();
        c.life == Life::Up && c.at == node && !lost
    }

    pub fn boot(&self, state: &mut State, n: usize) {
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

    pub fn tick(&self, state: &mut State, n: usize) {
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
