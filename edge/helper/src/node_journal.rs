use std::path::Path;

use belay_journal::{Journal, JournalError};

use crate::node_run::{NodeEvent, NodeRecord, NodeRun};
use crate::{Now, Places};

/// The variable that names the record after which a test build of the helper kills itself.
pub const CRASH_AFTER_RECORD: &str = "BELAY_HELPER_CRASH_AFTER_RECORD";

/// The journal of one run, open for appending, with its fold kept up to date.
#[derive(Debug)]
pub struct NodeJournal {
    journal: Journal,
    pub run: NodeRun,
    generation: u64,
}

impl NodeJournal {
    /// Opens the journal of `run`, or creates it.
    ///
    /// # Errors
    /// When it is in use or damaged, or cannot be created.
    pub fn open(places: &Places, run: &str, generation: u64) -> Result<Self, JournalError> {
        let path = places.run_dir(run).join("journal");
        let created = |source| JournalError::Create { path: path.clone(), source };
        if let Some(dir) = path.parent() {
            belay_journal::durable::create_dir(dir, 0o700).map_err(created)?;
        }
        let there = Path::new(&path).exists();
        let journal = if there { Journal::open_exclusive(&path)? } else { Journal::create(&path)? };
        let run = NodeRun::read(places, run)?.unwrap_or_else(|| NodeRun { id: run.to_owned(), ..NodeRun::default() });
        Ok(Self { journal: journal.crash_variable(CRASH_AFTER_RECORD), run, generation })
    }

    /// Appends an event; when this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it cannot be made durable; then the effect must not begin.
    pub fn append(&mut self, places: &Places, ev: NodeEvent) -> Result<(), JournalError> {
        #[cfg(test)]
        cut::count().map_err(|source| JournalError::Create { path: places.run_dir(&self.run.id), source })?;
        let now = Now::read(places);
        let record = NodeRecord {
            run: self.run.id.clone(),
            generation: self.generation,
            wall: now.wall,
            up: now.uptime.as_millis(),
            boot: now.boot_id,
            ev,
        };
        self.journal.append(&record)?;
        self.run.add(&record);
        Ok(())
    }
}

/// A kill after a record, for tests: no record is taken after it, so nothing that begins with one begins.
#[cfg(test)]
pub mod cut {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// `records` more are taken in this thread; `None`: all.
    pub fn after(records: Option<usize>) {
        LEFT.set(records);
    }

    pub(super) fn count() -> io::Result<()> {
        match LEFT.get() {
            Some(0) => Err(io::Error::other("killed here")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}
