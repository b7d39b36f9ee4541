use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use belay_engine::{Command, EndState, Event, Fault, FaultKind, NodeTale, ProbeState, RunState, TurnCause};
use belay_facts::{Destination, Facts, Mutant, Span, mutated};
use belay_journal::{Journal, JournalError, LockError};
use belay_plan::{Plan, Reached};
use belay_wire::Op;
use serde_json::Value;

use crate::book::Book;
use crate::session::{Session, fault};
use crate::{Clock, Holding, RunDir, RunError, Sink, effect};

mod halting;
mod leaving;

/// A person's wish to stop: the current step is finished or undone, then the run halts safe.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub state: EndState,
    /// A person asked for the way back.
    pub asked: bool,
}

impl Outcome {
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.state.exit_code(self.asked)
    }
}

/// The one loop that acts.
pub struct Runner {
    book: Book,
    session: Session,
    /// The verified artifact in the coordinator's cache.
    artifact: std::path::PathBuf,
    /// A wish to halt was heard, and told.
    halted: bool,
}

impl Runner {
    /// Opens a new run: its directory, its journal, the link, the probe. `over`: how the node is reached, `None` when it
    /// is this machine.
    ///
    /// # Errors
    /// When any of it cannot be had; nothing was changed on the node then.
    pub async fn open(
        plan: Plan,
        over: Option<Destination>,
        facts: Facts,
        dir: &RunDir,
        artifact: std::path::PathBuf,
        sinks: Vec<Box<dyn Sink>>,
        interrupt: Interrupt,
    ) -> Result<Self, RunError> {
        let clock = Clock::of_this_machine();
        let yaml = plan.to_yaml().map_err(|error| RunError::Plan { run: plan.id.clone(), why: error.to_string() })?;
        let copy = over.as_ref().and_then(|_| dir.backup_copy(&plan.cluster.id));
        let mut session = Session::open(&plan, over, facts.clone(), 1, clock.clone()).await?;
        session.copy = copy;
        // One run a cluster: whoever comes second is told before anything is written.
        if let Some(held) = session.held().await?.filter(|held| held.run != plan.id) {
            return Err(RunError::OpenRun(Box::new(Holding::of_node(held))));
        }
        let journal = dir.create(&yaml, &facts)?;
        let (digest, from, to) = (plan.digest, plan.from.clone(), plan.to.clone());
        let mut book = Book::new(plan, journal, dir, sinks, clock, interrupt);
        book.record(Event::Open {
            plan: digest,
            from,
            to,
            by: somebody(),
            belay: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
        Ok(Self { book, session, artifact, halted: false })
    }

    /// Goes on with a run that was left: its journal is replayed, its fence raised, and what the node did by itself at
    /// a boot is taken over. `back`: a person asks for the way back.
    ///
    /// # Errors
    /// When the run has ended, is held by somebody, or cannot be read.
    pub async fn resume(
        dir: &RunDir,
        over: Option<Destination>,
        artifact: std::path::PathBuf,
        sinks: Vec<Box<dyn Sink>>,
        interrupt: Interrupt,
        back: bool,
    ) -> Result<Self, RunError> {
        let clock = Clock::of_this_machine();
        let plan = dir.plan()?;
        let journal = match Journal::open_exclusive(&dir.journal_path()) {
            Err(JournalError::Locked(LockError::Held { .. })) => return Err(dir.in_use()),
            opened => opened?,
        };
        let records = dir.records()?;
        let state =
            RunState::replay(&plan, &records).map_err(|source| RunError::Story { run: plan.id.clone(), source })?;
        if let Some(end) = state.end().filter(|end| *end != EndState::NeedsHuman) {
            return Err(RunError::Ended { run: plan.id.clone(), state: end.to_string() });
        }
        let own = state.generation().max(1);
        let facts = dir.facts("facts.json").ok_or_else(|| RunError::Plan {
            run: plan.id.clone(),
            why: "its facts.json is missing or cannot be read".to_owned(),
        })?;
        let copy = over.as_ref().and_then(|_| dir.backup_copy(&plan.cluster.id));
        let mut session = Session::open(&plan, over, facts, own, clock.clone()).await?;
        session.copy = copy;
        // A boot that finished a way back has raised the node's fence by itself.
        let remembered = session.remember().await.ok();
        let generation = own.max(remembered.as_ref().map_or(0, |remembered| remembered.generation))
            + if mutated(Mutant::KeepGeneration) { 0 } else { 1 };
        session.generation = generation;
        let unopened = records.is_empty();
        let (digest, from, to) = (plan.digest, plan.from.clone(), plan.to.clone());
        let mut book = Book::new(plan, journal, dir, sinks, clock.clone(), interrupt).after(records, state, generation);
        let belay = env!("CARGO_PKG_VERSION").to_owned();
        if unopened {
            // Killed between the making of the directory and the first record: nothing was begun.
            book.record(Event::Open { plan: digest, from, to, by: somebody(), belay: belay.clone() })?;
        }
        book.record(Event::Resumed { by: somebody(), belay, back })?;
        let mut runner = Self { book, session, artifact, halted: false };
        runner.adopt().await?;
        // Nothing is waited for until here but the disk and the helper: the API may be away for long.
        let says =
            format!("went on {} after its begin, by the journal and what the node remembers", clock.since_begin());
        runner.book.record(Event::Note { says })?;
        Ok(runner)
    }

    /// Whether the run goes back: false when it was asked to and has no way back any more, having begun to commit.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        let (state, plan) = (self.book.state(), self.book.plan());
        state.turn().is_some() || matches!(state.next(plan), Command::Turn { .. })
    }

    /// An upgrade that was interrupted goes back, and has not done what it was asked.
    async fn go_back(&mut self, why: &str) -> Result<(), RunError> {
        match self.book.state().ask_back(self.book.plan(), why) {
            Some(Command::Turn { reached, cause }) => {
                let asked = self.book.state().asked();
                self.turn(reached, TurnCause { asked, ..cause }).await
            }
            _ => Ok(()),
        }
    }

    /// Runs until the end.
    ///
    /// # Errors
    /// When the journal cannot be written or the node is gone: the run is left as it is, for a resume.
    pub async fn run(mut self) -> Result<Outcome, RunError> {
        let ticker = self.book.tick(self.session.prober.latest());
        let ended = self.carry_out().await;
        ticker.abort();
        ended
    }

    async fn carry_out(&mut self) -> Result<Outcome, RunError> {
        let mut broken = 0;
        loop {
            if let Some(why) = self.book.interrupted() {
                self.halt(&why).await?;
            }
            if self.book.unwritten().is_some() {
                self.without_journal().await?;
            }
            match self.book.state().next(self.book.plan()) {
                Command::Do { step, attempt } => {
                    if !mutated(Mutant::EffectBeforeIntent) {
                        self.book.record(Event::Intent { step: step.id.clone(), attempt })?;
                    }
                    if self.book.unwritten().is_some() && self.book.state().turn().is_none() {
                        // No effect without its intent; the way back is the node's to remember.
                        continue;
                    }
                    self.book.begin(&step);
                    let began = Instant::now();
                    let done = effect::carry_out(&mut self.session, &step, &mut self.book, &self.artifact).await?;
                    self.book.rest();
                    if mutated(Mutant::EffectBeforeIntent) {
                        self.book.record(Event::Intent { step: step.id.clone(), attempt })?;
                    }
                    let took = Span::from(began.elapsed());
                    let (ok, proof, fault) = match done {
                        Ok(proof) => (true, proof, None),
                        Err(fault) => (false, Value::Null, Some(fault)),
                    };
                    let lost = fault.as_ref().is_some_and(|fault| fault.kind.leaves_doubt());
                    self.book.record(Event::Outcome { step: step.id, ok, proof, fault: fault.clone(), took })?;
                    broken = if lost { broken + 1 } else { 0 };
                    if let Some(fault) = fault.filter(|_| lost) {
                        self.reopen(broken, &fault).await?;
                    }
                }
                Command::Probe { step } => {
                    match effect::settle(&mut self.session, &step, &self.book, &self.artifact).await {
                        Ok((state, proof, says)) => {
                            broken = 0;
                            self.book.record(Event::Probed { step: step.id, state, proof, says })?;
                        }
                        Err(Fault { kind: FaultKind::Fenced, message, .. }) => {
                            self.book.record(Event::Superseded { says: message })?;
                        }
                        Err(fault) => {
                            broken += 1;
                            self.reopen(broken, &fault).await?;
                        }
                    }
                }
                Command::Turn { reached, cause } => self.turn(reached, cause).await?,
                // Not ours any more: no step, no note, nothing in the cluster.
                Command::Leave { why } => return Err(self.superseded(why)),
                Command::End { state, why } => {
                    let restored = self.book.plan().restore.as_ref().map(|source| source.run.clone());
                    for says in self.session.clean_cluster(restored.as_deref()).await {
                        self.book.record(Event::Note { says })?;
                    }
                    if state == EndState::NeedsHuman {
                        // A boot weeks later must not go on with this by itself; a node that cannot be told now tells its
                        // own story at the next resume.
                        let step = format!("{}.stand-down", self.session.node());
                        let _ = self.session.note(&step, Op::StandDown { why: why.clone() }).await;
                    }
                    self.measured().await?;
                    self.book.record(Event::End { state, why })?;
                    self.book.free_reserve();
                }
                Command::Finished { state } => return Ok(Outcome { state, asked: self.book.state().asked() }),
            }
        }
    }

    /// Node first, then journal: a node that is cut off from power right now must know by itself that it goes back.
    async fn turn(&mut self, reached: Reached, cause: TurnCause) -> Result<(), RunError> {
        let seen = self.session.seen_revision().await.max(self.book.state().seen());
        if reached != Reached::Prepared && !mutated(Mutant::TurnNotTold) {
            let step = format!("{}.turn", self.session.node());
            let class = self.book.plan().class_from(reached);
            let mut broken = 0;
            loop {
                let turn = Op::Turn { seen, class, why: cause.why.clone() };
                let Err(error) = self.session.note(&step, turn).await else { break };
                let fault = fault(&error);
                if fault.kind == FaultKind::Fenced {
                    return self.book.record(Event::Superseded { says: error.to_string() });
                }
                // A node that cannot be reached is told before anything else: its guard leaves a vouched one as it is, also
                // where this way back had stopped K3s. One that is there and cannot write goes back all the same.
                if fault.kind.leaves_doubt() {
                    broken += 1;
                    self.reopen(broken, &fault).await?;
                    continue;
                }
                let says = format!("the node could not be told that the run goes back: {error}");
                self.book.record(Event::Note { says })?;
                break;
            }
        }
        self.measured().await?;
        self.book.record(Event::Turn { reached, cause })
    }

    /// What the node tells of this run. One that cannot be reached is waited for: whoever goes on without its tale does not
    /// know of a put-back, and ends the run without the list of what that lost. `None`: it is there, and cannot tell; then
    /// every step probes for itself.
    async fn tale(&mut self) -> Result<Option<NodeTale>, RunError> {
        let mut broken = 0;
        loop {
            // The node knows of this generation before it is asked what it did: its guard, or a boot, takes a higher one.
            let taken = match self.session.take().await {
                Err(fault) if fault.kind == FaultKind::Fenced => return Err(self.superseded(fault.message)),
                Err(fault) if fault.kind.leaves_doubt() => Err(fault),
                _ => self.session.remember().await.map_err(|error| fault(&error)),
            };
            let fault = match taken {
                Ok(remembered) => return Ok(Some(remembered.tale)),
                Err(fault) => fault,
            };
            if !fault.kind.leaves_doubt() {
                return Ok(None);
            }
            broken += 1;
            self.reopen(broken, &fault).await?;
        }
    }

    /// What the node did by itself while nobody was here: a boot in the middle of a way back finishes it, and a guard goes
    /// back when its coordinator is silent past the lease. The journal says so, with the node's own proof, and nothing is
    /// done twice.
    async fn adopt(&mut self) -> Result<(), RunError> {
        let Some(tale) = self.tale().await? else { return Ok(()) };
        let before = self.book.state().turn().is_some();
        while let Some(event) = self.book.state().adopted_turn(self.book.plan(), &tale) {
            match event {
                // The node does not know it yet.
                Event::Turn { reached, cause } if !tale.turned && tale.ended.is_none() => {
                    self.turn(reached, cause).await?
                }
                known => self.book.record(known)?,
            }
        }
        if let Some(says) = tale.guard.clone().filter(|_| before) {
            let note = Event::Note { says };
            if !self.book.records().iter().any(|record| record.event == note) {
                self.book.record(note)?;
            }
        }
        let released = tale.ended.is_some() && tale.guard.is_some();
        let Some(undo) = self.book.state().undo_to_adopt(self.book.plan(), released) else { return Ok(()) };
        let Ok((ProbeState::Done, proof, _)) = effect::find_out(&mut self.session, &undo).await else { return Ok(()) };
        for event in self.book.state().adopted_steps(self.book.plan(), &undo, &proof, released) {
            let event = match event {
                // Its intent is written: the node makes durable what it finds, and remembers it.
                Event::Probed { step, says, .. } if step == undo.id && !released => {
                    let confirmed = effect::settle(&mut self.session, &undo, &self.book, &self.artifact).await;
                    // It stays begun, and is probed.
                    let Ok((state, proof, _)) = confirmed else { return Ok(()) };
                    Event::Probed { step, state, proof, says }
                }
                other => other,
            };
            let done = !matches!(event, Event::Probed { state: ProbeState::NotDone | ProbeState::Partial, .. });
            self.book.record(event)?;
            if !done {
                break;
            }
        }
        Ok(())
    }
}

/// Who types: `root`, or `root for anna` behind sudo.
fn somebody() -> String {
    belay_journal::this_process().user
}
