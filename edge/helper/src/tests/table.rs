//! Kine's table without SQLite against what SQLite says of the same file.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use crate::TableError;
use crate::sqlite::{Database, DatabaseError};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;
type Reading = fn(&Database, &mut dyn FnMut(&[u8], &[u8])) -> Result<(), DatabaseError>;

/// A table as kine makes it, with rows of every length, and pages that were freed and used again.
fn made(path: &Path, page: u32) {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch(&format!(
            "PRAGMA page_size = {page};
            CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
                create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
            CREATE INDEX kine_name_index ON kine (name);
            CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);
            BEGIN"
        ))
        .unwrap();
    let insert = "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
        VALUES(?1, 1, ?2, ?3, ?3, 0, ?4, ?5)";
    for n in 0..1500_i64 {
        // Some keys are longer than what a page holds of a row.
        let name = format!("/registry/things/{}{}", "n".repeat(if n % 97 == 0 { 700 } else { 3 }), n % 400);
        let length = usize::try_from(n * 7919 % if n % 50 == 0 { 90_000 } else { 1_500 }).unwrap();
        let value = (n % 11 != 0).then(|| vec![u8::try_from(n % 251).unwrap(); length]);
        database.execute(insert, (name, n % 13 == 0, n, value, vec![7_u8; length / 2])).unwrap();
    }
    database.execute_batch("COMMIT; DELETE FROM kine WHERE id % 3 = 0 AND id < 900; BEGIN").unwrap();
    for n in 2000..2300_i64 {
        database
            .execute(insert, (format!("/registry/later/{n}"), false, n, vec![1_u8; 3000], Option::<Vec<u8>>::None))
            .unwrap();
    }
    database.execute_batch("COMMIT").unwrap();
}

fn read(path: &Path, how: Reading) -> Result<Rows, DatabaseError> {
    let mut rows = Rows::new();
    how(&Database::read_only(path)?, &mut |name, value| rows.push((name.to_vec(), value.to_vec())))?;
    Ok(rows)
}

#[test]
fn every_row_is_what_sqlite_says_of_it() {
    let dir = tempfile::tempdir().unwrap();
    for page in [512, 1024, 4096, 65_536] {
        let path = dir.path().join(format!("{page}.db"));
        made(&path, page);
        assert!(Database::read_only(&path).unwrap().still_table().is_some(), "{page}: nobody writes to it");
        let (ours, theirs) = (read(&path, Database::each_newest), read(&path, Database::each_newest_of_sqlite));
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert!(theirs.len() > 600 && theirs.iter().any(|(name, _)| name.len() > 700), "{page}: {}", theirs.len());
        assert!(ours == theirs, "{page}: {} and {} rows", ours.len(), theirs.len());
    }
}

#[test]
fn a_database_that_somebody_may_write_to_is_left_to_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    made(&path, 4096);
    let database = Connection::open(&path).unwrap();
    database.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())).unwrap();
    database.execute("UPDATE kine SET value = x'00' WHERE id = 1400", ()).unwrap();
    assert!(Database::read_only(&path).unwrap().still_table().is_none(), "its last change lies beside it");
    let rows = read(&path, Database::each_newest).unwrap();
    assert!(rows.iter().any(|(_, value)| value == &[0]), "what lies in the log is read too");
}

/// Found in the last read of the change: a K3s that was told to keep no write-ahead log could have written under the reader.
#[test]
fn nobody_writes_while_the_table_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    made(&path, 4096);
    let database = Database::read_only(&path).unwrap();
    assert!(database.still_table().is_some());
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(std::time::Duration::ZERO).unwrap();
    let write = || writer.execute("UPDATE kine SET value = x'00' WHERE id = 1400", ()).is_ok();
    let mut written = Vec::new();
    database
        .each_newest(&mut |_, _| {
            if written.len() < 3 {
                written.push(write())
            }
        })
        .unwrap();
    assert_eq!(written, [false; 3]);
    assert!(write(), "and afterwards as before");
}

#[test]
fn what_is_damaged_is_an_error_and_never_the_end_of_the_helper() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    made(&path, 512);
    let whole = std::fs::read(&path).unwrap();
    let mut said = BTreeSet::new();
    // Heads of pages, and bytes all over: steps that share no factor with the page.
    let pages = whole.len() / 512;
    for at in
        (512..whole.len()).step_by(whole.len() / 150).chain((1..pages).step_by(pages / 150).map(|page| page * 512))
    {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = read(&path, Database::each_newest) {
            said.insert(error.to_string().rsplit(": ").next().unwrap().to_owned());
        }
    }
    assert!(said.len() > 3, "{said:?}");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(read(&path, Database::each_newest).map(|rows| rows.len()).is_err());
}

#[test]
fn a_tree_that_leads_in_a_circle_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    made(&path, 512);
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'kine'";
    let root: u32 = Connection::open(&path).unwrap().query_row(sql, (), |row| row.get(0)).unwrap();
    let itself = root.to_be_bytes();
    let root = usize::try_from(root).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // All of the root's children are the root.
    let page = &mut bytes[(root - 1) * 512..root * 512];
    page[8..12].copy_from_slice(&itself);
    for cell in 0..usize::from(u16::from_be_bytes([page[3], page[4]])) {
        let at = usize::from(u16::from_be_bytes([page[12 + 2 * cell], page[13 + 2 * cell]]));
        page[at..at + 4].copy_from_slice(&itself);
    }
    std::fs::write(&path, &bytes).unwrap();
    let error = read(&path, Database::each_newest).map(|rows| rows.len()).unwrap_err();
    assert!(matches!(&error, DatabaseError::Table { source: TableError::Damaged { .. }, .. }), "{error}");
}
