use belay_plan::StepKind;
use belay_runner::StateDir;

use super::*;
use crate::story::{self, Story};

/// A run on disk, with its journal held by this process or by nobody.
fn written(state: &StateDir, story: &Story) -> (RunDir, belay_journal::Journal) {
    let dir = state.run(&story.plan.id);
    let mut journal = dir.create(&story.plan.to_yaml().unwrap(), &story::facts("v1.35.4+k3s1", 3)).unwrap();
    for record in &story.records {
        journal.append(record).unwrap();
    }
    (dir, journal)
}

fn context(state: StateDir) -> Context {
    Context::new(state, OutputFormat::Json, None)
}

fn open_story() -> Story {
    let mut story = Story::begin();
    story.forward(StepKind::Keep);
    story.intent("n1.keep");
    story
}

#[tokio::test]
async fn a_wish_reaches_the_process_that_holds_the_journal() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, journal) = written(&StateDir::new(temp.path()), &open_story());
    let context = context(StateDir::new(temp.path()));
    let args = HaltArgs { run: None, no_wait: true };
    assert_eq!(halt(&context, &args).await.unwrap(), 0);
    let wish = dir.halt_wished(&belay_journal::this_process()).unwrap();
    assert!(wish.by.is_same(&belay_journal::this_process()));
    drop(journal);
}

#[tokio::test]
async fn what_ends_while_it_is_waited_for_decides_the_exit_code() {
    for (state, code) in
        [(EndState::Restored, 0), (EndState::Unchanged, 0), (EndState::Committed, 1), (EndState::NeedsHuman, 4)]
    {
        let temp = tempfile::tempdir().unwrap();
        let mut story = open_story();
        let (dir, mut journal) = written(&StateDir::new(temp.path()), &story);
        let context = context(StateDir::new(temp.path()));
        let args = HaltArgs { run: None, no_wait: false };
        let own = belay_journal::this_process();
        let coordinator = async {
            while dir.halt_wished(&own).is_none() {
                tokio::task::yield_now().await;
            }
            story.end(state, "halted by the test");
            journal.append(story.records.last().unwrap()).unwrap();
        };
        let (halted, ()) = tokio::join!(halt(&context, &args), coordinator);
        assert_eq!(halted.unwrap(), code, "{state}");
    }
}

#[test]
fn nothing_is_asked_of_a_run_that_nobody_carries_out_or_that_has_ended() {
    let temp = tempfile::tempdir().unwrap();
    let story = open_story();
    let (dir, journal) = written(&StateDir::new(temp.path()), &story);
    let lock = dir.path().join("journal.lock");
    let signed = std::fs::read_to_string(&lock).unwrap();
    drop(journal);
    let sign = |change: &dyn Fn(&mut Coordinator)| {
        let mut of: Coordinator = serde_json::from_str(signed.lines().nth(1).unwrap()).unwrap();
        change(&mut of);
        std::fs::write(&lock, format!("1\n{}\n", serde_json::to_string(&of).unwrap())).unwrap();
        coordinator(&dir, &story.plan).unwrap_err()
    };
    // The same number, another process.
    let gone = sign(&|of: &mut Coordinator| of.started += 1);
    assert!(gone.message.contains("nobody carries") && gone.hints.join(" ").contains("belay resume"), "{gone:?}");
    let elsewhere = sign(&|of: &mut Coordinator| (of.host, of.boot) = ("laptop".into(), "other".into()));
    assert!(elsewhere.message.contains("another machine"), "{elsewhere:?}");
    assert!(elsewhere.hints.join(" ").contains("on laptop: belay halt"), "{elsewhere:?}");

    let temp = tempfile::tempdir().unwrap();
    let story = story::committed();
    let (dir, _journal) = written(&StateDir::new(temp.path()), &story);
    let ended = coordinator(&dir, &story.plan).unwrap_err();
    assert!(ended.message.contains("has ended (committed)") && ended.exit_code() == 1, "{ended:?}");
}
