//! A journal, from its bytes and from records that are sealed here as the format says, so that the fuzzer gets past the
//! checksums. `verify` and `read` agree, and whatever is cut off a sound journal leaves a torn tail, never damage.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use belay_journal::{JournalError, Tail, Verified, read, verify};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/belay-fuzz-journal-{}", std::process::id())));

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    if mode & 1 == 0 {
        let _ = both(rest);
        return;
    }
    let bodies = String::from_utf8_lossy(rest);
    let sealed = seal(&bodies);
    let sound = bodies.lines().all(|body| serde_json::from_str::<IgnoredAny>(body).is_ok());
    let whole = both(sealed.as_bytes());
    assert_eq!(whole.is_ok(), sound);
    let Ok(whole) = whole else { return };
    assert_eq!(whole.tail, Tail::Clean);
    let cut = sealed.len().saturating_sub(usize::from(mode) + 1);
    let cut = both(sealed.as_bytes().get(..cut).unwrap_or_default()).expect("a cut journal is torn, not damaged");
    assert!(cut.records <= whole.records);
});

/// Both readers on a file of these bytes. `verify` does not look into the JSON, so it may accept more.
fn both(bytes: &[u8]) -> Result<Verified, JournalError> {
    std::fs::write(&*FILE, bytes).expect("/dev/shm can be written");
    let verified = verify(&FILE);
    match (&verified, read::<serde_json::Value>(&FILE)) {
        (Ok(verified), Ok((records, tail))) => {
            assert_eq!((verified.records, verified.tail), (records.len() as u64, tail));
            assert!(records.iter().zip(1..).all(|(record, seq)| record.seq == seq));
        }
        (Err(_), Ok(_)) => panic!("read accepts what verify refuses"),
        (_, Err(_)) => {}
    }
    verified
}

/// Each line as the JSON of a record: length, checksum, number, hash of the line before, JSON (design §10).
fn seal(bodies: &str) -> String {
    let mut journal = String::new();
    let mut previous = "0".repeat(64);
    for (seq, body) in (1..).zip(bodies.lines()) {
        let rest = format!("{seq} {previous} {body}");
        let line = format!("{:06} {:08x} {rest}", rest.len(), crc32c::crc32c(rest.as_bytes()));
        previous = Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        journal.push_str(&line);
        journal.push('\n');
    }
    journal
}
