//! A datastore of kine that may be anything: every question is answered or refused, in bounded time.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use belay_helper::Database;
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/belay-fuzz-sqlite-{}.db", std::process::id())));

fuzz_target!(|data: &[u8]| {
    for companion in ["-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(format!("{}{companion}", FILE.display()));
    }
    std::fs::write(&*FILE, data).expect("/dev/shm can be written");
    let Ok(database) = Database::read_only(&FILE) else { return };
    let patience = Duration::from_secs(5);
    let _ = (database.revision(), database.compacted(), database.keys(), database.root());
    let _ = database.latest(|_, _, _| {});
    let _ = database.each_newest(&mut |_, _| {});
    let _ = (database.quick_check(patience), database.integrity_check(patience));
});
