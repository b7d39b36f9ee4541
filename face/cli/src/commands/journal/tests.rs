use belay_runner::StateDir;

use super::verify::{Side, examine, told};
use super::*;
use crate::story;

/// A run on disk, as its story tells it.
fn written(state: &StateDir) -> (RunDir, Vec<Record>) {
    let story = story::kubelet_no();
    let dir = state.run(&story.plan.id);
    let mut journal = dir.create(&story.plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3)).unwrap();
    for record in &story.records {
        journal.append(record).unwrap();
    }
    (dir, story.records)
}

#[test]
fn a_run_that_was_killed_before_its_journal_is_no_run_and_can_be_begun_again() {
    let temp = tempfile::tempdir().unwrap();
    let (state, story) = (StateDir::new(temp.path()), story::kubelet_no());
    let dir = state.run(&story.plan.id);
    let create = || dir.create(&story.plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3));
    // Whatever keeps the journal from being made comes before the run is there.
    std::fs::create_dir_all(dir.journal_path()).unwrap();
    assert!(create().is_err());
    assert!(state.runs().unwrap().is_empty(), "`resume` would find a run that it cannot read");
    // Killed between the journal and the plan.
    std::fs::remove_dir(dir.journal_path()).unwrap();
    std::fs::write(dir.journal_path(), "").unwrap();
    let mut journal = create().unwrap();
    assert_eq!(state.find(None).unwrap().id(), story.plan.id);
    journal.append(&story.records[0]).unwrap();
    drop(journal);
    assert!(create().is_err(), "a run that was begun is begun once");
}

fn found_of(dir: &RunDir) -> Found {
    let name = dir.journal_path();
    Found { bytes: std::fs::read(&name).unwrap(), name, dir: Some(dir.clone()) }
}

#[test]
fn a_whole_journal_is_whole_and_the_first_damaged_record_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, records) = written(&StateDir::new(temp.path()));
    let found = examine(&found_of(&dir)).unwrap();
    assert!(found.whole && found.records == records.len() as u64 && found.last.is_some(), "{found:?}");

    let mut lines: Vec<String> =
        std::fs::read_to_string(dir.journal_path()).unwrap().lines().map(str::to_owned).collect();
    lines[9].push('x');
    std::fs::write(dir.journal_path(), lines.join("\n") + "\n").unwrap();
    let found = examine(&found_of(&dir)).unwrap();
    assert!(!found.whole && found.damaged == Some(10) && found.records == 9, "{found:?}");
    assert!(told(&found).contains("record 10 is not whole"));
}

#[test]
fn a_chain_that_holds_but_tells_another_story_is_not_whole() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, records) = written(&StateDir::new(temp.path()));
    std::fs::remove_file(dir.journal_path()).unwrap();
    let mut journal = belay_journal::Journal::create(&dir.journal_path()).unwrap();
    // The outcome of a step whose intent was taken out.
    for record in records.iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, record)| record) {
        journal.append(record).unwrap();
    }
    drop(journal);
    let found = examine(&found_of(&dir)).unwrap();
    assert!(!found.whole && found.damaged == Some(2), "{found:?}");
    // As a file it is judged by the plan beside it.
    let file = Found { dir: None, ..found_of(&dir) };
    assert_eq!(examine(&file).unwrap().damaged, Some(2));
}

#[test]
fn a_torn_tail_is_no_damage() {
    use std::io::Write as _;
    let temp = tempfile::tempdir().unwrap();
    let (dir, records) = written(&StateDir::new(temp.path()));
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.journal_path()).unwrap();
    file.write_all(b"000142 1a2b").unwrap();
    let found = examine(&found_of(&dir)).unwrap();
    assert!(found.whole && found.torn == 11 && found.records == records.len() as u64, "{found:?}");
}

#[test]
fn a_journal_of_a_node_is_judged_with_the_same_words() {
    let temp = tempfile::tempdir().unwrap();
    let name = temp.path().join("journal");
    let write = |generations: &[u64], run: &str| {
        let _ = std::fs::remove_file(&name);
        let mut journal = belay_journal::Journal::create(&name).unwrap();
        for generation in generations {
            let ev = serde_json::json!({ "failed": { "step": "n1.keep", "why": "no space" } });
            let run = if *generation == 9 { "other" } else { run };
            let record =
                serde_json::json!({ "run": run, "gen": generation, "wall": 1, "up": 1, "boot": "b", "ev": ev });
            journal.append(&record).unwrap();
        }
        Found { bytes: std::fs::read(&name).unwrap(), name: name.clone(), dir: None }
    };
    let whole = examine(&write(&[1, 1, 2], "r1")).unwrap();
    assert!(whole.whole && whole.side == Side::Node && whole.run.as_deref() == Some("r1"), "{whole:?}");
    assert!(told(&whole).contains("3 records, each whole"));
    assert_eq!(examine(&write(&[1, 2, 1], "r1")).unwrap().damaged, Some(3), "a generation goes back");
    assert_eq!(examine(&write(&[1, 9], "r1")).unwrap().damaged, Some(2), "a record of another run");
    let mut cut = write(&[1, 1, 2], "r1");
    cut.bytes[40] ^= 4;
    let cut = examine(&cut).unwrap();
    assert!(!cut.whole && told(&cut).contains("record 1 is not whole"), "{cut:?}");
}
