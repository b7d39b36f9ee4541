use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belay_cluster::Shot;
use belay_engine::{Event, Record, RunState};
use belay_facts::Span;
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
        Self {
            plan,
            journal,
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
        if let Err(error) = self.journal.append(&record) {
            self.append_with_reserve(&record, error)?;
        }
        self.state = state;
        for sink in self.sinks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            sink.event(&record);
        }
        self.records.push(record);
        Ok(())
    }

    /// A full disk must not leave K3s down between stop and start: the reserved room is given up for the journal. What
    /// may have been written of the record is cut off as a torn tail, since it was never acknowledged.
    fn append_with_reserve(&mut self, record: &Record, error: JournalError) -> Result<(), RunError> {
        // Only a full disk passes with room. After any other error nothing that is read back proves anything.
        if self.reserve_freed || !error.is_full_disk() {
            return Err(error.into());
        }
        self.reserve_freed = true;
        if !self.dir.free_reserve() {
            return Err(error.into());
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

    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupt.asked()
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
