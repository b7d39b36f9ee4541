use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belay_cluster::Shot;
use belay_engine::{Event, Halt, Record, RunState};
use belay_facts::{Coordinator, Span};
use belay_journal::{Journal, JournalError};
use belay_plan::{Plan, Step};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Clock, Interrupt, Progress, RunDir, RunError, Sink};

/// How often a face hears of the current step.
const TICK: Duration = Duration::from_millis(250);

/// The journal of a run, its state, and those who hear of it: what is heard was journalled first.
pub struct Book {
    plan: Plan,
    journal: Journal,
    dir: RunDir,
    reserve_freed: bool,
    state: RunState,
    records: Vec<Record>,
    sinks: Arc<Mutex<Vec<Box<dyn Sink>>>>,
    current: Arc<Mutex<Option<Current>>>,
    clock: Clock,
    generation: u64,
    interrupt: Interrupt,
    own: Coordinator,
    /// Why the journal takes no more records, while the way back goes on without it.
    unwritten: Option<JournalError>,
}

/// The step under way, for a face.
#[derive(Clone, Debug)]
struct Current {
    step: Step,
    began: Instant,
    doing: String,
    done: u64,
    total: u64,
}

impl Book {
    /// The book of a run whose journal was just created.
    #[must_use]
    pub fn new(
        plan: Plan,
        journal: Journal,
        dir: &RunDir,
        sinks: Vec<Box<dyn Sink>>,
        clock: Clock,
        interrupt: Interrupt,
    ) -> Self {
        // A wish that an earlier process did not live to hear.
        dir.forget_halt();
        Self {
            plan,
            journal,
            own: belay_journal::this_process(),
            unwritten: None,
            dir: dir.clone(),
            reserve_freed: false,
            state: RunState::default(),
            records: Vec::new(),
            sinks: Arc::new(Mutex::new(sinks)),
            current: Arc::new(Mutex::new(None)),
            clock,
            generation: 1,
            interrupt,
        }
    }

    /// The same for a run that goes on: what its journal says so far, and the generation that writes from now on.
    #[must_use]
    pub fn after(self, records: Vec<Record>, state: RunState, generation: u64) -> Self {
        Self { records, state, generation, ..self }
    }

    /// Journals an event, durably, then lets everybody hear it.
    pub fn record(&mut self, event: Event) -> Result<(), RunError> {
        let record = Record {
            run: self.plan.id.clone(),
            generation: self.generation,
            at: self.clock.wall(),
            up: self.clock.since_boot().as_millis(),
            boot: self.clock.boot_id().to_owned(),
            event,
        };
        let mut state = self.state.clone();
        state.apply(&self.plan, &record).map_err(|why| RunError::Story {
            run: self.plan.id.clone(),
            source: belay_engine::IllegalEvent { record: self.records.len() + 1, event: "new".to_owned(), why },
        })?;
        let written = if self.unwritten.is_some() { Ok(()) } else { self.append(&record) };
        if let Err(error) = written {
            // Where K3s is up, the run stops here: nothing more is done that nobody remembers. Where it may be down, leaving
            // would be worse: the way back goes on, and the node's own journal remembers it.
            if !(self.state.may_be_down(&self.plan) && state.may_be_down(&self.plan)) {
                return Err(error.into());
            }
            let says = format!("{error}; K3s may be down, so the run goes back with the journal of the node alone");
            self.hear(&Record { event: Event::Note { says }, ..record.clone() });
            self.unwritten = Some(error);
        }
        self.state = state;
        self.hear(&record);
        self.records.push(record);
        Ok(())
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        match self.journal.append(record) {
            Ok(_) => Ok(()),
            Err(error) => self.append_with_reserve(record, error),
        }
    }

    /// Why the journal takes no more records; whoever takes it, ends the run.
    pub const fn unwritten(&self) -> Option<&JournalError> {
        self.unwritten.as_ref()
    }

    pub const fn take_unwritten(&mut self) -> Option<JournalError> {
        self.unwritten.take()
    }

    fn hear(&self, record: &Record) {
        for sink in self.sinks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            sink.event(record);
        }
    }

    /// A full disk must not leave K3s down between stop and start: the reserved room is given up for the journal. What
    /// may have been written of the record is cut off as a torn tail, since it was never acknowledged.
    fn append_with_reserve(&mut self, record: &Record, error: JournalError) -> Result<(), JournalError> {
        // Only a full disk passes with room. After any other error nothing that is read back proves anything.
        if self.reserve_freed || !error.is_full_disk() {
            return Err(error);
        }
        self.reserve_freed = true;
        if !self.dir.free_reserve() {
            return Err(error);
        }
        self.journal.reopen()?;
        self.journal.append(record)?;
        Ok(())
    }

    pub fn doing(&self, doing: &str) {
        self.progress(doing, 0, 0);
    }

    pub fn progress(&self, doing: &str, done: u64, total: u64) {
        if let Some(current) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            (current.doing, current.done, current.total) = (doing.to_owned(), done, total);
        }
    }

    /// Why the run shall halt, if somebody wishes it: Ctrl-C here, or `belay halt` elsewhere on this machine.
    #[must_use]
    pub fn interrupted(&self) -> Option<String> {
        if self.interrupt.asked() {
            return Some(Halt::CtrlC.to_string());
        }
        let wish = self.dir.halt_wished(&self.own)?;
        Some(Halt::Command { by: wish.by.to_string() }.to_string())
    }

    /// The same on the way forward only: a way back is finished.
    #[must_use]
    pub fn interrupted_forward(&self) -> Option<String> {
        if self.state.turn().is_some() { None } else { self.interrupted() }
    }

    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    #[must_use]
    pub const fn state(&self) -> &RunState {
        &self.state
    }

    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn begin(&self, step: &Step) {
        let current = Current { step: step.clone(), began: Instant::now(), doing: String::new(), done: 0, total: 0 };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
    }

    /// Between two steps.
    pub fn rest(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The run is over: nothing more needs the room.
    pub fn free_reserve(&self) {
        let _ = self.dir.free_reserve();
        self.dir.forget_halt();
    }

    /// Tells the faces about the current step while it goes on.
    pub fn tick(&self, latest: watch::Receiver<Option<Shot>>) -> JoinHandle<()> {
        let (sinks, current) = (Arc::clone(&self.sinks), Arc::clone(&self.current));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(now) = current.lock().unwrap_or_else(PoisonError::into_inner).clone() else { continue };
                let progress = Progress {
                    step: now.step.id,
                    doing: now.doing,
                    done: now.done,
                    total: now.total,
                    elapsed: Span::from(now.began.elapsed()),
                    deadline: now.step.deadline,
                    api: latest.borrow().map(|shot| shot.is_up()),
                };
                for sink in sinks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                    sink.progress(&progress);
                }
            }
        })
    }
}
