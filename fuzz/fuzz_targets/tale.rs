//! What a node remembers of a run: records as JSON lines, folded one by one and from a journal that is sealed here. Nothing
//! that a record says makes the fold contradict itself.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use belay_helper::{NodeRecord, NodeRun, Places};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

const RUN: &str = "2026-11-23-3fa9";

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let places = Places::under(&PathBuf::from(format!("/dev/shm/belay-fuzz-tale-{}", std::process::id())));
    std::fs::create_dir_all(places.run_dir(RUN)).expect("/dev/shm can be written");
    places
});

fuzz_target!(|text: &str| {
    let mut run = NodeRun { id: RUN.to_owned(), ..NodeRun::default() };
    let (mut journal, mut previous) = (String::new(), "0".repeat(64));
    for (seq, line) in (1..).zip(text.lines().filter(|line| serde_json::from_str::<NodeRecord>(line).is_ok())) {
        let record: NodeRecord = serde_json::from_str(line).expect("it was read before");
        let again = serde_json::to_string(&record).expect("plain data");
        assert_eq!(serde_json::from_str::<NodeRecord>(&again).expect("what was written can be read"), record);
        run.add(&record);
        holds(&run);
        let rest = format!("{seq} {previous} {again}");
        let line = format!("{:06} {:08x} {rest}", rest.len(), crc32c::crc32c(rest.as_bytes()));
        previous = Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        journal.push_str(&line);
        journal.push('\n');
    }
    std::fs::write(PLACES.run_dir(RUN).join("journal"), &journal).expect("/dev/shm can be written");
    match NodeRun::read(&PLACES, RUN) {
        Ok(read) => assert_eq!(read, Some(run)),
        // The length of a line has six digits.
        Err(error) => assert!(journal.lines().any(|line| line.len() > 999_999), "{error}"),
    }
});

fn holds(run: &NodeRun) {
    assert_eq!(run.is_open(), run.ended.is_none());
    assert!(!run.fell() || run.turned.is_some());
    assert!(!(run.restore_open() && run.put_back_plan.is_some()));
    assert!(!run.put_back_open() || run.put_back.is_none());
    assert!(!run.swapped_back || !run.expects_new());
    assert!(!run.last.is_empty());
}
