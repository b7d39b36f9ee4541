use std::io;
use std::path::{Path, PathBuf};

use belay_facts::{Mutant, mutated};
use serde::Serialize;

use crate::line::{self, Damage, MAX_RECORD, NO_PREVIOUS};
use crate::{Disk, DiskFile as _, Durable, Kernel, LockError, Tail, reader};

/// The variable that names the record of this process after which a test build kills itself.
pub const CRASH_AFTER_RECORD: &str = "BELAY_CRASH_AFTER_RECORD";

/// The variable that names the record of a journal from which on a test build fails as a broken disk does.
pub const FAIL_AT_RECORD: &str = "BELAY_FAIL_AT_RECORD";

/// An append-only journal that this process holds alone.
#[derive(Debug)]
pub struct Journal<D: Disk = Kernel> {
    disk: D,
    file: D::File,
    path: PathBuf,
    records: u64,
    last: String,
    /// A write or an fsync failed: what is on the disk is unknown, and a second fsync would lie about it.
    poisoned: bool,
    #[cfg(feature = "crash-points")]
    crash_after: Option<u64>,
    #[cfg(feature = "crash-points")]
    fail_at: Option<u64>,
    _lock: D::Lock,
}

/// What was attempted on a journal, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {path} could not be created: {source}", path = .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("the journal {path} could not be read: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("record {record} of the journal {path} is damaged: {damage}", path = .path.display())]
    Damaged { path: PathBuf, record: u64, damage: Damage },
    #[error("the journal is in use: {0}")]
    Locked(#[from] LockError),
    #[error("the incomplete last line of the journal {path} could not be cut off: {source}", path = .path.display())]
    Cut { path: PathBuf, source: io::Error },
    #[error("record {record} of the journal {path} could not be made durable: {source}", path = .path.display())]
    Append { path: PathBuf, record: u64, source: io::Error },
    #[error("the journal {path} failed before; nothing more is written to it by this process", path = .path.display())]
    Poisoned { path: PathBuf },
    #[error("a record of {bytes} bytes is longer than the limit of {MAX_RECORD}")]
    TooLong { bytes: usize },
    #[error("a record has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
}

impl JournalError {
    /// Whether the disk was full, and nothing worse.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Append { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }
}

impl Journal {
    /// Creates a new journal (mode 0600) and makes its name durable. Its directory must be there.
    ///
    /// # Errors
    /// When it is there already, is in use, or cannot be made durable.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        Self::create_on(Kernel, path)
    }

    /// Opens a journal for appending: takes its lock, verifies all of it, and cuts an incomplete last line.
    ///
    /// # Errors
    /// When it is in use (the holder is named) or damaged (the record is named).
    pub fn open_exclusive(path: &Path) -> Result<Self, JournalError> {
        Self::open_exclusive_on(Kernel, path)
    }
}

impl<D: Disk> Journal<D> {
    /// As [`Journal::create`], on any disk.
    ///
    /// # Errors
    /// The same.
    pub fn create_on(disk: D, path: &Path) -> Result<Self, JournalError> {
        let create = |source| JournalError::Create { path: path.into(), source };
        let lock = reader::lock_beside(&disk, path)?;
        let mut file = disk.create_new(path).map_err(create)?;
        file.sync_all().map_err(create)?;
        if !mutated(Mutant::SkipCreateFsync) {
            Durable(&disk).sync_parent(path).map_err(create)?;
        }
        Ok(Self::held(disk, file, path, 0, NO_PREVIOUS.to_owned(), lock))
    }

    /// As [`Journal::open_exclusive`], on any disk.
    ///
    /// # Errors
    /// The same.
    pub fn open_exclusive_on(disk: D, path: &Path) -> Result<Self, JournalError> {
        let lock = reader::lock_beside(&disk, path)?;
        let verified = reader::verify_on(&disk, path)?;
        let cut = |source| JournalError::Cut { path: path.into(), source };
        let mut file = disk.append_to(path).map_err(cut)?;
        if let Tail::Torn { at, .. } = verified.tail
            && !mutated(Mutant::KeepTornTail)
        {
            let at = if mutated(Mutant::CutAcknowledged) { line_before(&disk, path, at) } else { at };
            file.set_len(at).map_err(cut)?;
        }
        // Also without a torn tail: a killed writer may have left a whole line that was not yet durable, and what is
        // appended now must not become durable before it. Written again, not only synced: an fsync that failed in the process
        // before has marked its pages clean, and they would be read here and never reach the disk.
        let whole = disk.read(path).map_err(cut)?;
        disk.write_again(path, &whole).map_err(cut)?;
        Durable(&disk).sync_parent(path).map_err(cut)?;
        Ok(Self::held(disk, file, path, verified.records, verified.last, lock))
    }

    /// Opens the journal again after a full disk refused a record, once there is room. The lock is held throughout; what
    /// was written of the refused record is an incomplete line that was never acknowledged, and is cut.
    ///
    /// # Errors
    /// When the file holds anything else than the records that were acknowledged.
    pub fn reopen(&mut self) -> Result<(), JournalError> {
        let cut = |source| JournalError::Cut { path: self.path.clone(), source };
        let verified = reader::verify_on(&self.disk, &self.path)?;
        if verified.records != self.records {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        if let Tail::Torn { at, .. } = verified.tail {
            self.file.set_len(at).map_err(cut)?;
        }
        self.file.sync_all().map_err(cut)?;
        self.poisoned = false;
        Ok(())
    }

    fn held(disk: D, file: D::File, path: &Path, records: u64, last: String, lock: D::Lock) -> Self {
        Self {
            disk,
            file,
            path: path.into(),
            records,
            last,
            poisoned: false,
            #[cfg(feature = "crash-points")]
            crash_after: std::env::var(CRASH_AFTER_RECORD).ok().and_then(|text| text.parse().ok()),
            #[cfg(feature = "crash-points")]
            fail_at: std::env::var(FAIL_AT_RECORD).ok().and_then(|text| text.parse().ok()),
            _lock: lock,
        }
    }

    /// Takes the crash point from another variable, so that the processes of one run can be killed one by one.
    /// Does nothing in a build without the feature `crash-points`.
    #[must_use]
    pub fn crash_variable(self, variable: &str) -> Self {
        #[cfg(feature = "crash-points")]
        let this = Self { crash_after: std::env::var(variable).ok().and_then(|text| text.parse().ok()), ..self };
        #[cfg(not(feature = "crash-points"))]
        let (this, _) = (self, variable);
        this
    }

    /// How many records it holds; also the sequence of the last one.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one record; when this returns `Ok`, it survives a power cut. Returns its sequence.
    ///
    /// # Errors
    /// An I/O error poisons the journal: the page cache may have dropped what could not be written, so a later fsync
    /// that succeeds would prove nothing ("fsyncgate").
    pub fn append<T: Serialize>(&mut self, body: &T) -> Result<u64, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        let json = serde_json::to_string(body)?;
        if json.len() > MAX_RECORD {
            return Err(JournalError::TooLong { bytes: json.len() });
        }
        let seq = self.records + 1;
        let line = line::render(seq, &self.last, &json);
        #[cfg(feature = "crash-points")]
        let name = crate::crash_point::record_name(&json);
        #[cfg(feature = "crash-points")]
        crate::crash_point(format_args!("before {name}"));
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.sync());
        #[cfg(feature = "crash-points")]
        let written = written.and_then(|()| self.fail_here(seq));
        if let Err(source) = written {
            self.poisoned = true;
            return Err(JournalError::Append { path: self.path.clone(), record: seq, source });
        }
        self.records = seq;
        self.last = line::hash(line.trim_end_matches('\n').as_bytes());
        #[cfg(feature = "crash-points")]
        crate::crash_point(format_args!("after {name}"));
        #[cfg(feature = "crash-points")]
        self.crash_here();
        Ok(seq)
    }

    /// As a disk that fails from here on: whether the record is on it, nobody knows.
    #[cfg(feature = "crash-points")]
    fn fail_here(&self, seq: u64) -> io::Result<()> {
        if self.fail_at.is_some_and(|at| seq >= at) { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        if mutated(Mutant::SkipRecordFsync) {
            return Ok(());
        }
        let synced = self.file.sync_data();
        if mutated(Mutant::RetryFsync) { synced.or_else(|_| self.file.sync_data()) } else { synced }
    }

    /// Counts the records of this process, not of the file: `resume` begins at 1 again.
    #[cfg(feature = "crash-points")]
    fn crash_here(&self) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let written = WRITTEN.fetch_add(1, Ordering::SeqCst) + 1;
        if self.crash_after == Some(written) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

/// Where the last whole line before `at` begins: what [`Mutant::CutAcknowledged`] loses.
fn line_before(disk: &impl Disk, path: &Path, at: u64) -> u64 {
    let bytes = disk.read(path).unwrap_or_default();
    let end = usize::try_from(at).unwrap_or(0).saturating_sub(1);
    let line = bytes.get(..end).unwrap_or_default().iter().rposition(|byte| *byte == b'\n');
    line.map_or(0, |newline| newline as u64 + 1)
}
