//! What a journal promises: what was acknowledged is read back, and every change is seen.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::path::{Path, PathBuf};

use belay_journal::{Damage, Journal, JournalError, Tail, read, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

fn written(records: &[Value]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    (dir, path)
}

fn bodies(path: &Path) -> Vec<Value> {
    read::<Value>(path).unwrap().0.into_iter().map(|record| record.body).collect()
}

#[test]
fn records_read_back_in_order_and_survive_a_new_holder() {
    let (_dir, path) = written(&[json!({"a": 1}), json!("line\nbreak")]);
    let mut journal = Journal::open_exclusive(&path).unwrap();
    assert_eq!(journal.append(&json!(3)).unwrap(), 3);
    assert_eq!(bodies(&path), [json!({"a": 1}), json!("line\nbreak"), json!(3)]);
    assert_eq!(verify(&path).unwrap().records, 3);
    assert!(matches!(Journal::create(&path), Err(JournalError::Locked(_))));
    drop(journal);
    assert!(matches!(Journal::create(&path), Err(JournalError::Create { .. })));
}

#[test]
fn a_second_holder_is_told_who_the_first_is() {
    let (_dir, path) = written(&[]);
    let _first = Journal::open_exclusive(&path).unwrap();
    let error = Journal::open_exclusive(&path).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn a_torn_tail_is_cut_at_every_length_and_nothing_else_is_lost() {
    let (_dir, path) = written(&[json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
    let whole = fs::read(&path).unwrap();
    let second_ends = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
    for length in second_ends..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (records, tail) = read::<Value>(&path).unwrap();
        assert_eq!(records.len(), 2, "cut at {length}");
        assert_eq!(tail == Tail::Clean, length == second_ends);
        let mut journal = Journal::open_exclusive(&path).unwrap();
        journal.append(&json!({"n": "again"})).unwrap();
        assert_eq!(bodies(&path), [json!({"n": 1}), json!({"n": 2}), json!({"n": "again"})]);
    }
    // A file that grew without its data ends in zeros.
    let mut zeros = whole[..second_ends].to_vec();
    zeros.extend([0; 300]);
    fs::write(&path, &zeros).unwrap();
    assert_eq!(Journal::open_exclusive(&path).unwrap().records(), 2);
}

/// Found by the simulation, seed 488: a power cut had written the last sector of an append, with its newline, and not the one
/// before; the journal counted as damaged, for good, and the run could not be resumed.
#[test]
fn an_append_whose_sectors_were_written_out_of_order_is_torn_and_not_damage() {
    let filler = "x".repeat(400);
    let (_dir, path) = written(&[json!({"n": 1, "filler": filler}), json!({"n": 2, "filler": "y".repeat(1500)})]);
    let whole = fs::read(&path).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let sectors: Vec<usize> = (second / 512..whole.len().div_ceil(512)).collect();
    assert!(sectors.len() >= 4);
    for lost in 1..1_u32 << sectors.len() {
        let mut torn = whole.clone();
        for (nth, sector) in sectors.iter().enumerate().filter(|(nth, _)| lost & (1 << nth) != 0) {
            let (from, to) = ((sector * 512).max(second), ((sector + 1) * 512).min(whole.len()));
            torn[from..to].fill(0);
            assert!(nth < 8);
        }
        fs::write(&path, &torn).unwrap();
        let mut journal = Journal::open_exclusive(&path).unwrap();
        assert_eq!(journal.records(), 1, "lost {lost:b}");
        journal.append(&json!({"n": "again"})).unwrap();
        assert_eq!(bodies(&path).len(), 2);
    }
    // What is followed by another record was acknowledged, and a part of a sector is never lost alone.
    let mut hole = whole.clone();
    hole[..second - 1].fill(0);
    fs::write(&path, &hole).unwrap();
    assert!(matches!(Journal::open_exclusive(&path), Err(JournalError::Damaged { record: 1, .. })));
    let mut part = whole;
    part[second + 600..second + 700].fill(0);
    fs::write(&path, &part).unwrap();
    assert!(matches!(Journal::open_exclusive(&path), Err(JournalError::Damaged { record: 2, .. })));
}

#[test]
fn records_that_are_left_out_or_moved_are_named() {
    let (_dir, path) = written(&[json!(1), json!(2), json!(3)]);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (order, record, damage) in
        [(vec![0, 2], 2, Damage::Sequence), (vec![1, 0, 2], 1, Damage::Sequence), (vec![0, 0], 2, Damage::Sequence)]
    {
        let shuffled: String = order.iter().map(|&n| format!("{}\n", lines[n])).collect();
        fs::write(&path, shuffled).unwrap();
        let error = verify(&path).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { record: r, damage: d, .. } if r == record && d == damage));
        assert!(Journal::open_exclusive(&path).is_err());
    }
    // A record of another journal in the right place: only the chain can tell.
    let (_other_dir, other) = written(&[json!("x"), json!(2)]);
    let other = fs::read_to_string(other).unwrap();
    fs::write(&path, format!("{}\n{}\n", lines[0], other.lines().nth(1).unwrap())).unwrap();
    assert!(matches!(verify(&path), Err(JournalError::Damaged { record: 2, damage: Damage::Chain, .. })));
}

#[test]
fn a_record_that_the_reader_does_not_understand_is_an_error_not_a_skip() {
    let (_dir, path) = written(&[json!(1), json!("two")]);
    assert!(matches!(read::<u64>(&path), Err(JournalError::Damaged { record: 2, damage: Damage::Json, .. })));
}

proptest! {
    /// Invariant I24: any single-bit change is seen.
    #[test]
    fn every_single_bit_change_is_seen(at in 0usize..10_000, bit in 0u8..8) {
        let (_dir, path) = written(&[json!({"ev": "intent", "step": "n1.swap"}), json!({"ev": "outcome"}), json!({"ev": "end"})]);
        let before = verify(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        fs::write(&path, bytes).unwrap();
        prop_assert!(verify(&path).map_or(true, |after| after != before));
        // An acknowledged record must not pass for a torn tail.
        prop_assert!(verify(&path).is_err(), "byte {at}, bit {bit}");
    }
}

/// The same numbers for the same seed, everywhere (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// Invariant I24, many times: a changed bit or byte, a cut, a hole, a reorder, a repetition and a splice from another journal of
/// the same run. Whatever is done to it, a journal is read as a beginning of what was written or named as damaged, and only
/// what lacks nothing but its end is read at all. `BELAY_MUTATIONS=1000000` tries a million.
#[test]
fn whatever_is_done_to_a_journal_it_is_a_beginning_of_what_was_written_or_named() {
    let count: u64 = std::env::var("BELAY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let record =
        |n: u64, line: &str| json!({"run": "r", "gen": 1, "ev": "intent", "step": format!("n1.{n}"), "line": line});
    let whole: Vec<Value> = (0..7).map(|n| record(n, "a")).collect();
    let (_dir, path) = written(&whole);
    // Another line of the same run: what a coordinator would have written that was forked off after record 3.
    let forked: Vec<Value> = (0..7).map(|n| record(n, if n < 3 { "a" } else { "b" })).collect();
    let (_other_dir, other) = written(&forked);
    let (bytes, other) = (fs::read(&path).unwrap(), fs::read(&other).unwrap());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let others: Vec<&[u8]> = other.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut named, mut beginnings, mut same) = (0u64, 0u64, 0u64);
    for seed in 0..count {
        let mut chance = Chance(seed);
        let mut harmed = bytes.clone();
        let kind = seed % 7;
        match kind {
            0 => {
                let at = chance.below(harmed.len());
                harmed[at] ^= 1 << chance.below(8);
            }
            1 => {
                let at = chance.below(harmed.len());
                harmed[at] = u8::try_from(chance.below(256)).unwrap();
            }
            2 => harmed.truncate(chance.below(harmed.len())),
            3 => {
                let from = chance.below(harmed.len());
                let to = from + 1 + chance.below(harmed.len() - from);
                harmed.drain(from..to);
            }
            4 => {
                let (a, b) = (chance.below(lines.len()), chance.below(lines.len()));
                let mut order = lines.clone();
                order.swap(a, b);
                harmed = order.concat();
            }
            5 => {
                let mut order = lines.clone();
                order.insert(chance.below(lines.len() + 1), lines[chance.below(lines.len())]);
                harmed = order.concat();
            }
            _ => {
                let mut order = lines.clone();
                let at = chance.below(lines.len());
                order[at] = others[at];
                harmed = order.concat();
            }
        }
        match belay_journal::read_bytes::<Value>(&path, &harmed) {
            Err(JournalError::Damaged { record, .. }) => {
                assert!((1..=8).contains(&record), "seed {seed}: record {record}");
                named += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
            Ok((records, tail)) => {
                let bodies: Vec<Value> = records.into_iter().map(|record| record.body).collect();
                if harmed == bytes {
                    assert!(bodies == whole && tail == Tail::Clean, "seed {seed}");
                    same += 1;
                    continue;
                }
                assert!(whole.starts_with(&bodies), "seed {seed}: it tells another story");
                // Only what lacks its end is read at all.
                assert!(bytes.starts_with(&harmed), "seed {seed}: kind {kind} is not seen");
                beginnings += 1;
            }
        }
    }
    assert_eq!(named + beginnings + same, count);
    println!(
        "{count} mutations (seeds 0..{count}): {named} named, {beginnings} cut to a beginning, {same} changed nothing"
    );
}
