//! The tests, and the coordinator that they start.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

use belay_engine::{EndState, Event, FaultKind, Record};
use belay_plan::{Reached, StepKind};
use belay_runner::{Interrupt, RunDir, Runner, StateDir};

use crate::made::{facts, left_in, made};
use crate::node::{ASKED, BREAKS, DIRECTORY, GO, PUT_BACK, REFUSES, WAITS};

/// One coordinator, on a node in `dir`: `new`, `resume` or `rollback`. Says how it ended on its standard output.
pub fn act(dir: &Path, what: &str) -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = StateDir::new(dir.join("state")).run(&made().id);
    let (artifact, interrupt) = (dir.join("artifact"), Interrupt::default());
    let ended = runtime.block_on(async {
        let runner = match what {
            "new" => Runner::open(made(), None, facts(), &run, artifact, Vec::new(), interrupt).await,
            _ => Runner::resume(&run, None, artifact, Vec::new(), interrupt, what == "rollback").await,
        };
        runner?.run().await
    });
    runtime.shutdown_background();
    match ended {
        Ok(outcome) => println!("{} {}", outcome.state, outcome.exit_code()),
        Err(error) => println!("{error}\n{}", error.hint().unwrap_or_default()),
    }
    ExitCode::SUCCESS
}

pub struct Scene {
    pub dir: tempfile::TempDir,
    /// Takes connections and never says a word, as an API behind a dead K3s may.
    _api: TcpListener,
}

impl Scene {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["n1".into()]).unwrap().self_signed(&key).unwrap();
        write("address", &api.local_addr().unwrap().to_string());
        write("ca", &certificate.pem());
        write("certificate", &certificate.pem());
        write("key", &key.serialize_pem());
        write("artifact", "new");
        Self { dir, _api: api }
    }

    fn state(&self) -> StateDir {
        StateDir::new(self.dir.path().join("state"))
    }

    fn run(&self) -> RunDir {
        self.state().run(&made().id)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn coordinator(&self, what: &str, fails_at: Option<u64>) -> Child {
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(&own);
        command.arg(what).env(DIRECTORY, self.dir.path()).env("BELAY_HELPER", own).stdout(Stdio::piped());
        if let Some(record) = fails_at {
            command.env(belay_journal::FAIL_AT_RECORD, record.to_string());
        }
        command.spawn().unwrap()
    }

    pub fn acted(&self, what: &str, fails_at: Option<u64>) -> String {
        said(self.coordinator(what, fails_at).wait_with_output().unwrap())
    }

    /// What the helper was asked, without the handshake.
    pub fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.dir.path().join(ASKED)).unwrap();
        asked.lines().filter(|line| *line != "hello").map(str::to_owned).collect()
    }

    fn events(&self) -> Vec<Event> {
        self.run().records().unwrap().into_iter().map(|record: Record| record.event).collect()
    }

    /// Until the helper was asked for `step`.
    fn wait(&self, step: &str) {
        // Only a bound for a test that hangs; nothing is measured.
        for _ in 0..60_000 {
            if self.dir.path().join(ASKED).exists() && self.asked().iter().any(|asked| asked == step) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it was never asked for {step}");
    }

    /// A coordinator that is killed while the helper has `step` to do.
    fn killed_in(&self, step: &str, what: &str) {
        self.write(WAITS, step);
        let mut child = self.coordinator(what, None);
        self.wait(step);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn turn(events: &[Event]) -> Option<(Reached, String)> {
    events.iter().find_map(|event| match event {
        Event::Turn { reached, cause } => Some((*reached, cause.why.clone())),
        _ => None,
    })
}

pub fn a_wish_to_halt_ends_the_run_as_ctrl_c_does() {
    let scene = Scene::new();
    scene.write(WAITS, "n1.stage");
    let child = scene.coordinator("new", None);
    scene.wait("n1.stage");
    let holding = scene.run().holding();
    let to = holding.by.clone().unwrap();
    assert_eq!((to.pid, holding.life, holding.last.as_str()), (child.id(), belay_facts::Life::Lives, "n1.stage begun"));
    let wish = scene.run().wish_halt(to).unwrap();
    scene.write(GO, "");
    // Halted safe, by somebody's wish: the run has not done what it was asked.
    assert_eq!(said(child.wait_with_output().unwrap()), "unchanged 3\n");
    let events = scene.events();
    let why = format!("halted by {} with `belay halt`", wish.by);
    assert_eq!(turn(&events), Some((Reached::Prepared, why.clone())));
    assert!(matches!(events.last(), Some(Event::End { state: EndState::Unchanged, why: end }) if *end == why));
    // The step that was under way is finished first.
    let outcome = |event: &Event| matches!(event, Event::Outcome { step, ok: true, .. } if step == "n1.stage");
    assert!(events.iter().any(outcome), "{events:?}");
    assert!(!scene.run().path().join("halt").exists(), "nobody is left to hear it");
}

pub fn a_wish_for_a_process_that_is_gone_halts_nobody() {
    let scene = Scene::new();
    let dir = left_in(&scene.state(), StepKind::Stage);
    // Its coordinator was killed before it looked, and its number was given out again.
    let gone = dir.holding().by.unwrap();
    let gone = belay_facts::Coordinator { started: gone.started + 1, ..gone };
    dir.wish_halt(gone).unwrap();
    scene.killed_in("n1.backup", "resume");
    assert_eq!(turn(&scene.events()), None);
}

/// SIGSTOP for longer than the lease, then SIGCONT: the node belongs to a newer generation.
pub fn a_superseded_coordinator_leaves_the_node_alone() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Stop);
    scene.write(REFUSES, "n1.keep");
    let said = scene.acted("resume", None);
    assert!(said.contains("is not this process's any more") && said.contains("generation 9"), "{said}");
    assert!(said.contains("belay resume"), "{said}");
    // Refused once, and nothing was asked after that: no step, no note.
    assert_eq!(scene.asked().last().unwrap(), "n1.keep");
    let events = scene.events();
    assert_eq!(turn(&events), None, "it decides nothing for a node that is not its own");
    let refused = |event: &Event| {
        matches!(event, Event::Outcome { step, fault: Some(fault), .. }
            if step == "n1.keep" && fault.kind == FaultKind::Fenced)
    };
    assert!(events.iter().rev().take(2).any(refused), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::End { .. })), "whoever holds it ends it");
    // Taken up again, it finds out what became of the step, and does not take the refusal for a failure.
    fs::remove_file(scene.dir.path().join(REFUSES)).unwrap();
    scene.killed_in("n1.swap", "resume");
    assert!(scene.asked().contains(&"probe n1.keep".into()), "{:?}", scene.asked());
}

pub fn a_probe_that_is_refused_ends_it_as_well() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.write(REFUSES, "n1.keep");
    let said = scene.acted("resume", None);
    assert!(said.contains("generation 9"), "{said}");
    assert_eq!(scene.asked().last().unwrap(), "probe n1.keep");
    assert!(scene.events().iter().any(|event| matches!(event, Event::Superseded { .. })));
}

/// The guard has acted while the API said nothing: the next word to the node is the last.
pub fn whoever_is_superseded_in_a_gate_asks_nothing_more() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Start);
    scene.write(WAITS, "n1.start");
    let child = scene.coordinator("resume", None);
    scene.wait("probe n1.start");
    scene.write(REFUSES, "renew");
    scene.write(GO, "");
    let said = said(child.wait_with_output().unwrap());
    assert!(said.contains("is not this process's any more") && said.contains("generation 9"), "{said}");
    assert_eq!(scene.asked().last().unwrap(), "renew", "{:?}", scene.asked());
    let events = scene.events();
    let verdict = |event: &Event| matches!(event, Event::Gate { .. } | Event::Turn { .. } | Event::End { .. });
    assert!(!events.iter().any(verdict), "it says nothing of a node that is not its own: {events:?}");
    assert!(matches!(events.last(), Some(Event::Measured { on_node: None, .. })), "{events:?}");
}

/// Found by reading, while the model was made: the turn was journalled though the channel broke before the node knew of it. With K3s
/// stopped by the way back and the coordinator gone for good, the guard of a vouched node would have left it down.
pub fn a_turn_is_told_before_anything_is_done_back() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.write(BREAKS, "n1.turn");
    scene.killed_in("n1.back.start", "rollback");
    let asked = scene.asked();
    let last = asked.iter().rposition(|asked| asked == "n1.turn").unwrap();
    assert_eq!(asked.iter().filter(|asked| *asked == "n1.turn").count(), 2, "{asked:?}");
    assert!(!asked[..last].iter().any(|asked| asked.starts_with("n1.back.")), "{asked:?}");
    let events = scene.events();
    assert!(turn(&events).is_some(), "{events:?}");
    let untold = |event: &Event| matches!(event, Event::Note { says } if says.contains("could not be told"));
    assert!(!events.iter().any(untold), "{events:?}");
}

/// EIO of the coordinator's disk at each record while K3s is down: the old version is up in the end, and the journal was
/// never written again.
pub fn a_broken_journal_never_leaves_k3s_down() {
    let mut tried = 0;
    for ahead in 3.. {
        let scene = Scene::new();
        let dir = left_in(&scene.state(), StepKind::Stop);
        let before = dir.records().unwrap().len() as u64;
        let said = scene.acted("resume", Some(before + ahead));
        let (asked, events) = (scene.asked(), scene.events());
        if asked.contains(&"n1.start".into()) {
            break;
        }
        tried += 1;
        assert!(said.contains("takes no records any more"), "{ahead}: {said}");
        // What was written of the record nobody acknowledged; after it nothing follows.
        assert!(events.len() as u64 <= before + ahead, "{ahead}: {} records", events.len());
        let last = asked.iter().rfind(|asked| asked.starts_with("n1."));
        assert_eq!(last.unwrap(), "n1.back.start", "{ahead}: {asked:?}");
        assert!(!asked.iter().any(|step| step.ends_with("release")), "it stays open for a resume: {asked:?}");
        assert!(said.contains("The old version was started without it"), "{ahead}: {said}");
        assert!(asked.contains(&"n1.turn".into()), "the node is told: {asked:?}");
    }
    assert!(tried >= 5, "{tried} records while K3s is down");
}

pub fn a_broken_journal_with_k3s_up_stops_everything() {
    let scene = Scene::new();
    let dir = left_in(&scene.state(), StepKind::Stage);
    let before = dir.records().unwrap().len() as u64;
    // Resumed, its note, then the probe of the stage.
    let said = scene.acted("resume", Some(before + 3));
    assert!(said.contains("could not be made durable"), "{said}");
    assert_eq!(scene.asked().last().unwrap(), "probe n1.stage");
}

/// The API takes connections and never answers. The order of work is what counts: the decision comes before its first word.
pub fn a_resume_decides_before_the_api_says_anything() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.killed_in("n1.swap", "resume");
    assert_eq!(scene.asked(), ["credentials", "remember", "renew", "remember", "probe n1.keep", "n1.keep", "n1.swap"]);
    let events = scene.events();
    let at = events.iter().position(|event| matches!(event, Event::Resumed { .. })).unwrap();
    assert!(matches!(&events[at + 1], Event::Note { says } if says.starts_with("went on ")), "{:?}", events[at + 1]);
    assert!(matches!(&events[at + 2], Event::Probed { step, .. } if step == "n1.keep"), "{:?}", events[at + 2]);

    // The way back is decided and journalled as well, whatever the API does.
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.killed_in("n1.back.start", "rollback");
    assert_eq!(
        scene.asked(),
        ["credentials", "remember", "renew", "remember", "n1.turn", "n1.back.swap-back", "n1.back.start"]
    );
    assert_eq!(turn(&scene.events()), Some((Reached::Stopped, "belay rollback".to_owned())));
}

/// Found by the simulation, seed 433169: the power went while a resume asked what the node had done. It went on without knowing
/// that another coordinator's put-back was done there, and what that had lost was in nobody's report.
pub fn a_resume_goes_on_only_with_what_the_node_tells() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.write(PUT_BACK, "");
    scene.write(BREAKS, "renew remember");
    scene.killed_in("n1.back.stop", "resume");
    let asked = scene.asked();
    assert_eq!(asked[..4], ["credentials", "remember", "renew", "remember"]);
    assert!(asked[4..].starts_with(&["renew", "remember"].map(str::to_owned)), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.ends_with("n1.keep")), "{asked:?}");
    assert_eq!(turn(&scene.events()).map(|(reached, _)| reached), Some(Reached::Started));
}

/// Found by `./dev crash` with several kills: the helper died while it raised the generation for a resume, which went on without
/// knowing whether it was raised, and half of a new fence stayed on the node.
pub fn a_resume_whose_first_word_got_no_answer_says_it_again() {
    let scene = Scene::new();
    left_in(&scene.state(), StepKind::Keep);
    scene.write(BREAKS, "remember renew");
    scene.killed_in("n1.swap", "resume");
    let asked = scene.asked();
    assert_eq!(asked[..5], ["credentials", "remember", "renew", "renew", "remember"], "{asked:?}");
}
