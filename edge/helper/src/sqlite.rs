use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use belay_facts::Digest;
use belay_journal::crash_point;
use belay_objects::Newest;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};

use crate::bootstrap::Row;
use crate::table::{Columns, Table, TableError};

/// The latest row of each key that is live. Kine keeps history in one table, so this is the cluster's state.
const LIVE: &str = "FROM kine k JOIN (SELECT MAX(id) AS id FROM kine GROUP BY name) m ON k.id = m.id \
    WHERE k.deleted = 0 AND k.name <> 'compact_rev_key' AND k.name NOT LIKE 'gap-%'";

/// What was attempted on kine's database, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database {path} could not be opened: {source}", path = .path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the database {path} could not be {doing}: {source}", path = .path.display())]
    Query { path: PathBuf, doing: &'static str, source: rusqlite::Error },
    #[error("the table kine of the database {path} could not be read: {source}", path = .path.display())]
    Table { path: PathBuf, source: TableError },
    #[error("the database {path} could not be made durable: {source}", path = .path.display())]
    Sync { path: PathBuf, source: std::io::Error },
    #[error("the database {path} stayed busy for {} s", .waited.as_secs())]
    Busy { path: PathBuf, waited: Duration },
}

/// Kine's SQLite database, as one connection.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens for reading, also beside a K3s that writes. May leave an empty `-wal` and a `-shm`; never changes content.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn read_only(path: &Path) -> Result<Self, DatabaseError> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens for writing; only ever a copy, or a database that no K3s has open.
    ///
    /// # Errors
    /// When it cannot be opened or is not there.
    pub fn writable(path: &Path) -> Result<Self, DatabaseError> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn open(path: &Path, access: OpenFlags) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Open { path: path.into(), source };
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        Ok(Self { connection, path: path.into() })
    }

    fn number(&self, doing: &'static str, sql: &str) -> Result<u64, DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing, source };
        self.connection.query_row(sql, (), |row| row.get(0)).map(unsigned).map_err(failed)
    }

    /// Highest revision that was ever handed out: the highest row, or the counter when that row is gone.
    ///
    /// # Errors
    /// When it is not kine's database or cannot be read.
    pub fn revision(&self) -> Result<u64, DatabaseError> {
        let rows: u64 = self.number("asked for its revision", "SELECT COALESCE(MAX(id), 0) FROM kine")?;
        let counter = self
            .number("asked for its counter", "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'kine'")
            .unwrap_or(0);
        Ok(rows.max(counter))
    }

    /// Up to which revision history was compacted away.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn compacted(&self) -> Result<u64, DatabaseError> {
        let sql = "SELECT COALESCE(MAX(prev_revision), 0) FROM kine WHERE name = 'compact_rev_key'";
        self.number("asked for its compaction", sql)
    }

    /// Number of live keys, without kine's own.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn keys(&self) -> Result<u64, DatabaseError> {
        self.number("counted", &format!("SELECT COUNT(*) {LIVE}"))
    }

    /// The live value of one key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, key: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "asked for a key", source };
        let sql = "SELECT COALESCE(value, x''), deleted FROM kine WHERE name = ?1 ORDER BY id DESC LIMIT 1";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query((key,)).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let read = || Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)? == 0));
        let (value, live) = read().map_err(failed)?;
        Ok(live.then_some(value))
    }

    /// Every live key below `prefix`, which ends with `/`, with its value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn below(&self, prefix: &str) -> Result<Vec<Row>, DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "asked for keys", source };
        // `0` follows `/`, so that the index answers.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let sql = "SELECT name, COALESCE(value, x'') FROM kine k JOIN (SELECT MAX(id) AS id FROM kine \
            WHERE name >= ?1 AND name < ?2 GROUP BY name) m ON k.id = m.id WHERE k.deleted = 0";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map((prefix, &end), |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// `ok`, or the first complaints; `None` when `within` was not enough. Quick: without comparing indexes to tables.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub fn quick_check(&self, within: Duration) -> Result<Option<String>, DatabaseError> {
        self.check("PRAGMA quick_check(5)", within)
    }

    /// As [`Self::quick_check`], with everything that SQLite can check.
    ///
    /// # Errors
    /// When the check itself cannot run.
    pub fn integrity_check(&self, within: Duration) -> Result<Option<String>, DatabaseError> {
        self.check("PRAGMA integrity_check(5)", within)
    }

    fn check(&self, pragma: &str, within: Duration) -> Result<Option<String>, DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "checked", source };
        let interrupt = self.connection.get_interrupt_handle();
        let (done, waiting) = mpsc::channel::<()>();
        let timer = thread::spawn(move || {
            if waiting.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let lines = self.connection.prepare(pragma).and_then(|mut statement| {
            statement.query_map((), |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        });
        drop(done);
        let _ = timer.join();
        match lines {
            Ok(lines) => Ok(Some(lines.join("; "))),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Calls `each` with name and value of every live key, in key order.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    fn each_live(&self, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "read", source };
        let sql = format!("SELECT CAST(k.name AS BLOB), COALESCE(k.value, x'') {LIVE} ORDER BY k.name");
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let bytes = |column| row.get_ref(column).map(|value| value.as_bytes_or_null().ok().flatten());
            each(bytes(0).map_err(failed)?.unwrap_or_default(), bytes(1).map_err(failed)?.unwrap_or_default());
        }
        Ok(())
    }

    /// Calls `each` with every live key and its value, newest change first, all of one moment.
    ///
    /// One pass over the table against its order, in which the first row that is seen of a key is what it is now: asking
    /// SQLite for the newest row of each key takes several times as long. A copy, to which nobody writes, is read without it.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn each_newest(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), DatabaseError> {
        let doing = |sql| {
            let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "held still", source };
            self.connection.execute_batch(sql).map_err(failed)
        };
        // Whoever writes without a log beside it waits until all is read; the first question takes the lock.
        doing("BEGIN")?;
        let read = match self.still_table() {
            Some((mut table, columns)) => {
                let mut newest = Newest::default();
                let read = table.each_backwards(&columns, &mut |name| newest.is_first(name), each);
                read.map_err(|source| DatabaseError::Table { path: self.path.clone(), source })
            }
            None => self.each_newest_of_sqlite(each),
        };
        read.and(doing("COMMIT"))
    }

    /// Where SQLite says that kine's table lies, if it can be read without it.
    pub(crate) fn still_table(&self) -> Option<(Table, Columns)> {
        let schema = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'kine'";
        let root = u32::try_from(self.number("asked for its table", schema).ok()?).ok()?;
        let all = self.connection.prepare("SELECT * FROM kine").ok()?;
        let column = |name: &str| all.column_index(name).ok();
        let columns = Columns { name: column("name")?, deleted: column("deleted")?, value: column("value")? };
        Some((Table::still(&self.path, root)?, columns))
    }

    /// The same by SQLite itself, also beside a K3s that writes.
    pub(crate) fn each_newest_of_sqlite(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "read", source };
        let sql = "SELECT name, deleted, value FROM kine ORDER BY id DESC";
        let mut newest = Newest::default();
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let bytes = |column| row.get_ref(column).map(|value| value.as_bytes_or_null().ok().flatten());
            let name = bytes(0).map_err(failed)?.unwrap_or_default();
            if newest.is_first(name) && row.get_ref(1).map_err(failed)? == ValueRef::Integer(0) {
                each(name, bytes(2).map_err(failed)?.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Digest over all live keys and values in key order, each with its length before it.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn root(&self) -> Result<Digest, DatabaseError> {
        let mut hasher = Sha256::new();
        self.each_live(|name, value| {
            for part in [name, value] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        })?;
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// Calls `each` with the name of every key that has a row, the revision of its latest row, and whether it is live.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn latest(&self, mut each: impl FnMut(String, u64, bool)) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing: "read", source };
        // SQLite gives the bare column of the row that has the maximum.
        let mut statement =
            self.connection.prepare("SELECT name, MAX(id), deleted FROM kine GROUP BY name").map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let read = || Ok((row.get(0)?, unsigned(row.get(1)?), row.get::<_, i64>(2)? == 0));
            let (name, revision, live) = read().map_err(failed)?;
            each(name, revision, live);
        }
        Ok(())
    }

    /// Copies this database to a new file in one pass, so that it is of one moment, also while K3s writes.
    ///
    /// # Errors
    /// When it stays busy for `within`, or the copy cannot be written.
    pub fn copy_to(&self, path: &Path, within: Duration) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::Query { path: path.into(), doing: "written", source };
        let mut copy = Connection::open(path).map_err(failed)?;
        let begun = Instant::now();
        {
            let backup = Backup::new(&self.connection, &mut copy).map_err(failed)?;
            loop {
                match backup.step(-1).map_err(failed)? {
                    StepResult::Done => break,
                    _ if begun.elapsed() >= within => {
                        return Err(DatabaseError::Busy { path: self.path.clone(), waited: within });
                    }
                    _ => thread::sleep(Duration::from_millis(50)),
                }
            }
        }
        // One file that needs no companions: a stored copy is opened for reading only.
        copy.query_row("PRAGMA journal_mode = DELETE", (), |_| Ok(())).map_err(failed)?;
        copy.close().map_err(|(_, source)| failed(source))?;
        sync(path)
    }

    /// Makes the next revision follow `revision`, by the row with which kine itself fills a gap, and folds the log into
    /// the file. Does nothing when it is that high already. Tried on K3s: k3s-facts §9.
    ///
    /// # Errors
    /// When it cannot be written or made durable.
    pub fn raise_revision(self, revision: u64) -> Result<(), DatabaseError> {
        let doing = "raised to a later revision";
        let failed = |source| DatabaseError::Query { path: self.path.clone(), doing, source };
        if self.revision()? < revision {
            let id = i64::try_from(revision).unwrap_or(i64::MAX);
            let sql = "INSERT INTO kine(id, name, created, deleted, create_revision, prev_revision, lease, value, \
                old_value) VALUES(?1, ?2, 0, 1, 0, 0, 0, NULL, NULL)";
            self.connection.execute(sql, (id, format!("gap-{revision}"))).map_err(failed)?;
            crash_point(format_args!("raised the revision"));
        }
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).map_err(failed)?;
        let path = self.path.clone();
        self.connection.close().map_err(|(_, source)| DatabaseError::Query { path: path.clone(), doing, source })?;
        sync(&path)
    }
}

/// SQLite's integers are signed; revisions and counts never are.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn sync(path: &Path) -> Result<(), DatabaseError> {
    let sync = || {
        File::open(path)?.sync_all()?;
        belay_journal::durable::sync_parent(path)
    };
    sync().map_err(|source| DatabaseError::Sync { path: path.into(), source })
}
