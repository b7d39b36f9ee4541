use std::path::{Path, PathBuf};

use belay_engine::Record;
use belay_facts::Facts;
use belay_journal::{Journal, durable};
use belay_plan::Plan;

use crate::RunError;

/// Where the coordinator keeps its runs and releases: `/var/lib/belay` as root, else `$XDG_STATE_HOME/belay`.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The place for this user.
    #[must_use]
    pub fn of_this_user() -> Self {
        if rustix::process::geteuid().is_root() {
            return Self(PathBuf::from("/var/lib/belay"));
        }
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        Self(state.unwrap_or_else(|| PathBuf::from("/tmp")).join("belay"))
    }

    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// Where the knowledge bundles are kept.
    #[must_use]
    pub fn knowledge(&self) -> PathBuf {
        self.0.join("knowledge")
    }

    #[must_use]
    pub fn run(&self, id: &str) -> RunDir {
        RunDir(self.0.join("runs").join(id))
    }

    /// All runs, oldest first by the time their directory was made.
    ///
    /// # Errors
    /// When the directory of runs cannot be read.
    pub fn runs(&self) -> Result<Vec<RunDir>, RunError> {
        let path = self.0.join("runs");
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(file("could not read", &path)(source)),
        };
        let mut runs: Vec<(std::time::SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().join("plan.yaml").is_file())
            .map(|entry| {
                let made = entry.path().join("plan.yaml").metadata().and_then(|meta| meta.modified());
                (made.unwrap_or(std::time::SystemTime::UNIX_EPOCH), entry.path())
            })
            .collect();
        runs.sort();
        Ok(runs.into_iter().map(|(_, path)| RunDir(path)).collect())
    }

    /// The named run, else the last one.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, id: Option<&str>) -> Result<RunDir, RunError> {
        let Some(id) = id else { return self.runs()?.pop().ok_or(RunError::NoRuns) };
        let named = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-').then(|| self.run(id));
        match named.filter(|run| run.plan_path().is_file()) {
            Some(run) => Ok(run),
            None => Err(RunError::NoRun { run: id.to_owned(), last: self.runs()?.pop().map(|run| run.id()) }),
        }
    }
}

/// Bytes; a run's journal is some 100 KiB.
const RESERVE: u64 = 4 * 1024 * 1024;

/// The directory of one run: `plan.yaml`, `facts.json`, `facts-after.json`, `journal`, `report.*`. 0700, files 0600.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    #[must_use]
    pub fn id(&self) -> String {
        self.0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub fn plan_path(&self) -> PathBuf {
        self.0.join("plan.yaml")
    }

    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Where the backup of this run is copied to when its node is another machine: `backups/<cluster>/<run>`.
    #[must_use]
    pub fn backup_copy(&self, cluster: &str) -> Option<PathBuf> {
        let plain = !cluster.is_empty() && cluster.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        plain.then(|| Some(self.0.parent()?.parent()?.join("backups").join(cluster).join(self.id())))?
    }

    #[must_use]
    pub fn report_path(&self, extension: &str) -> PathBuf {
        self.0.join(format!("report.{extension}"))
    }

    /// Makes the directory with plan and facts, durable before the journal's first record. The plan comes last, since a run is
    /// there when its plan is: what a kill left before that is no run, and what it left after can be resumed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(&self, plan: &str, facts: &Facts) -> Result<Journal, RunError> {
        for dir in
            [self.0.parent().and_then(Path::parent), self.0.parent(), Some(self.0.as_path())].into_iter().flatten()
        {
            durable::create_dir(dir, 0o700).map_err(file("could not create", dir))?;
        }
        self.write("facts.json", &serde_json::to_vec_pretty(facts).unwrap_or_default())?;
        self.reserve()?;
        let journal = self.begin_journal()?;
        self.write("plan.yaml", plan.as_bytes())?;
        Ok(journal)
    }

    /// A new one, or one without a record that a kill left: its lock says that nobody is about to begin with it.
    fn begin_journal(&self) -> Result<Journal, RunError> {
        let path = self.journal_path();
        let error = match Journal::create(&path) {
            Err(error) if path.is_file() => error,
            created => return Ok(created?),
        };
        match Journal::open_exclusive(&path) {
            Ok(journal) if journal.records() == 0 => Ok(journal),
            _ => Err(error.into()),
        }
    }

    /// Room for the journal on a disk that may be full when it is needed most: between stop and start.
    fn reserve(&self) -> Result<(), RunError> {
        let path = self.reserve_path();
        durable::reserve(&path, RESERVE).map_err(file("could not reserve room in", &path))
    }

    fn reserve_path(&self) -> PathBuf {
        self.0.join("reserve")
    }

    /// Gives the reserved room back. True when there was any.
    #[must_use]
    pub fn free_reserve(&self) -> bool {
        durable::remove(&self.reserve_path()).is_ok_and(|()| true) && !self.reserve_path().exists()
    }

    /// Writes one file of the run, replacing it as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, RunError> {
        let path = self.0.join(name);
        durable::replace(&path, bytes, 0o600).map_err(file("could not write", &path))?;
        Ok(path)
    }

    /// # Errors
    /// When it is missing, edited or of another format.
    pub fn plan(&self) -> Result<Plan, RunError> {
        let path = self.plan_path();
        let text = std::fs::read_to_string(&path).map_err(file("could not read", &path))?;
        Plan::of_run(&text).map_err(|error| RunError::Plan { run: self.id(), why: error.to_string() })
    }

    /// Facts saved under a name; `None` when they are missing or cannot be read.
    #[must_use]
    pub fn facts(&self, name: &str) -> Option<Facts> {
        Facts::from_json(&std::fs::read_to_string(self.0.join(name)).ok()?).ok()
    }

    /// Whether a process holds the journal for writing now, as far as its lock tells without being taken.
    #[must_use]
    pub fn is_held(&self) -> bool {
        belay_journal::is_held(&self.journal_path())
    }

    /// All records, in order; a torn last line was never acknowledged and is left out.
    ///
    /// # Errors
    /// When the journal cannot be read or is damaged.
    pub fn records(&self) -> Result<Vec<Record>, RunError> {
        let (records, _) = belay_journal::read::<Record>(&self.journal_path())?;
        Ok(records.into_iter().map(|record| record.body).collect())
    }
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunError + use<> {
    let path = path.display().to_string();
    move |source| RunError::File { what, path, source }
}
