//! A small model of a node, and of what fate does around a command: the world in which the real engine lives.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests only, and each uses some"
)]

use belay_engine::{Command, EndState, Event, Fault, FaultKind, NodeTale, ProbeState, Record, RunState};
use belay_facts::{CopyKind, DatastoreKind, Digest, Facts, Span};
use belay_plan::{Artifact, Part, Plan, PlanRequest, Reached, RestoreSource, StepKind, WayClass, plan, restore_plan};
use proptest::prelude::*;

fn facts() -> Facts {
    let base: serde_json::Value = serde_json::from_str(include_str!("../../../checks/fixtures/base.json")).unwrap();
    let facts = base.get("facts").cloned().unwrap_or(base);
    Facts::from_json(&facts.to_string()).unwrap()
}

pub fn made() -> Plan {
    upgrading("v1.36.3+k3s1", WayClass::Keep)
}

/// The plan of an upgrade within a minor, whose way back leaves the data.
pub fn binary() -> Plan {
    upgrading("v1.35.5+k3s1", WayClass::Binary)
}

fn upgrading(to: &str, class: WayClass) -> Plan {
    let facts = facts();
    let artifact = Artifact {
        name: "k3s".into(),
        arch: "amd64".into(),
        sha256: Digest::of(b"new"),
        size: 1,
        source: "x".into(),
        trust: "x".into(),
    };
    let request = PlanRequest {
        to: to.parse().unwrap(),
        artifacts: vec![artifact],
        soak: Span::seconds(1),
        accepted: Vec::new(),
        ssh: None,
        class,
        parts: ["etcd", "kine", "containerd"]
            .map(|name| Part { name: name.into(), from: Some("1.2".into()), to: Some("1.2".into()) })
            .into(),
        backup_to: None,
        date: "2026-11-23".parse().unwrap(),
    };
    plan(&facts, &[], &request).unwrap()
}

/// The plan that takes a committed upgrade back.
pub fn restoring() -> Plan {
    let source = RestoreSource {
        what: CopyKind::Kept,
        run: "2026-11-22-aaaa".into(),
        taken_at: jiff::Timestamp::UNIX_EPOCH,
        revision: 7,
        path: "/x".into(),
        binary: "/y".into(),
        binary_digest: Digest::of(b"new"),
        binary_size: 1,
    };
    let to = "v1.34.1+k3s1".parse().unwrap();
    restore_plan(&facts(), to, DatastoreKind::Sqlite, source, (None, None), "2026-11-24".parse().unwrap()).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Old,
    New,
}

/// One node: what is at the path, what runs, whether the data were written by the new version, whether a copy is valid.
#[derive(Clone, Debug)]
pub struct World {
    pub path: Binary,
    pub running: Option<Binary>,
    pub written_by_new: bool,
    pub kept: bool,
    pub new_is_good: bool,
    pub class: WayClass,
    /// The old version is well on data that the new one wrote.
    pub holds: bool,
    /// The stopped copy was put back over what the new version wrote.
    pub lost: bool,
    pub released: bool,
    /// The generation that holds it.
    pub fence: u64,
    /// What it remembers: that its guard is armed, that K3s was asked to stop, that the gates said yes, and by which class
    /// it goes back.
    pub armed: bool,
    pub stop_asked: bool,
    pub vouched: bool,
    pub turned: Option<WayClass>,
    /// Its guard has gone back since a coordinator was here; it has let the run go.
    pub guarded: bool,
    pub let_go: bool,
    /// How often its guard has acted.
    pub acted: u32,
}

impl World {
    fn start(&mut self) {
        self.running = Some(self.path);
        self.written_by_new |= self.path == Binary::New;
        if self.path == Binary::Old && !self.written_by_new {
            // Whoever runs writes: a copy made before is stale. One of before the new version wrote is what it was.
            self.kept = false;
        }
    }

    /// A coordinator asks for a step: refused when somebody took the node since. Gates renew the lease, which is refused
    /// as well.
    fn ask(&mut self, generation: u64, kind: StepKind) -> Result<(), FaultKind> {
        if matches!(kind, StepKind::Baseline | StepKind::CopyBackup) {
            return Ok(());
        }
        if generation < self.fence {
            return Err(FaultKind::Fenced);
        }
        let ends = matches!(kind, StepKind::Commit | StepKind::Release);
        if self.let_go && !ends && !matches!(kind, StepKind::Gate | StepKind::Soak) {
            return Err(FaultKind::Refused);
        }
        if generation > self.fence {
            self.guarded = false;
        }
        self.fence = generation;
        self.act(kind)
    }

    /// Nobody was heard of past the lease: what the node does alone, as the helper's guard does it.
    pub fn guard(&mut self) {
        let stays = self.vouched && self.turned.is_none();
        if !self.armed || self.released || self.guarded || stays {
            return;
        }
        self.fence += 1;
        self.acted += 1;
        if !self.stop_asked {
            self.act(StepKind::Release).unwrap();
            self.let_go = true;
            return;
        }
        let class = *self.turned.get_or_insert(self.class);
        if class == WayClass::Keep && self.written_by_new {
            self.running = None;
            self.act(StepKind::PutBack).unwrap();
        } else if self.path == Binary::New {
            self.running = None;
            self.act(StepKind::SwapBack).unwrap();
        }
        if self.running.is_none() {
            self.start();
        }
        self.guarded = true;
    }

    fn tale(&self) -> NodeTale {
        NodeTale {
            turned: self.turned.is_some(),
            class: self.turned.unwrap_or_default(),
            stopped: self.stop_asked,
            started: false,
            put_back: self.lost,
            ended: self.let_go.then(|| "unchanged".into()),
            guard: (self.acted > 0).then(|| "the guard of n1 acted".into()),
        }
    }

    /// The effect, as the helper would do it; each is probe-then-do.
    fn act(&mut self, kind: StepKind) -> Result<(), FaultKind> {
        match kind {
            StepKind::ArmGuard => self.armed = true,
            StepKind::Stop => (self.running, self.stop_asked) = (None, true),
            StepKind::Keep => {
                if self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                assert!(!self.written_by_new, "a copy of what the new version wrote");
                self.kept = true;
            }
            StepKind::Swap => {
                if self.path == Binary::New {
                    return Ok(());
                }
                if !self.kept || self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::New;
            }
            // The data are exchanged as well: what is live is not what the version before wrote.
            StepKind::Restore => {
                if self.path == Binary::New {
                    return Ok(());
                }
                if !self.kept || self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::New;
                self.written_by_new = true;
            }
            StepKind::Start if self.running.is_none() => self.start(),
            StepKind::Gate | StepKind::Soak if self.running == Some(Binary::New) && !self.new_is_good => {
                return Err(FaultKind::GateNo);
            }
            StepKind::Gate if self.running == Some(Binary::Old) && self.written_by_new && !self.holds => {
                return Err(FaultKind::GateNo);
            }
            StepKind::Gate | StepKind::Soak => assert!(self.running.is_some(), "gates asked of nothing"),
            StepKind::SwapBack => {
                let ran = self.class == WayClass::Keep && self.written_by_new;
                if ran || self.path == Binary::New && self.running.is_some() {
                    return Err(FaultKind::Stale);
                }
                self.path = Binary::Old;
            }
            // The last step, of the way back as well: what would lead back is taken away.
            StepKind::Commit | StepKind::Release => {
                self.kept = false;
                self.released = true;
            }
            StepKind::PutBack => {
                if self.running.is_some() && self.written_by_new {
                    return Err(FaultKind::Stale);
                }
                assert!(self.kept || !self.written_by_new, "put back without a valid copy");
                self.path = Binary::Old;
                self.lost |= self.written_by_new;
                self.written_by_new = false;
            }
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self, kind: StepKind) -> bool {
        match kind {
            StepKind::ArmGuard => self.armed,
            StepKind::Stop => self.running.is_none(),
            StepKind::Keep => self.kept,
            StepKind::Swap | StepKind::Restore => self.path == Binary::New,
            StepKind::Start => self.running == Some(self.path),
            StepKind::SwapBack => self.path == Binary::Old && (self.class == WayClass::Binary || !self.written_by_new),
            StepKind::PutBack => self.path == Binary::Old && !self.written_by_new,
            StepKind::Commit | StepKind::Release => self.released,
            _ => true,
        }
    }
}

/// What fate does around one command.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Fine,
    /// The step does not work; nothing happened.
    Fails,
    /// It happened, the channel broke.
    Unheard,
    /// The coordinator dies after the intent, before the effect.
    KilledBefore,
    /// The coordinator dies after the effect, before the outcome.
    KilledAfter,
    /// The node loses power after the effect and boots: K3s starts by itself from what is at the path.
    PowerCut,
    /// A person asks for the way back.
    Asked,
    /// The coordinator slept, and somebody has taken the node meanwhile: the step is refused.
    Superseded,
    /// The coordinator is paused after its intent, for longer than the lease, and goes on.
    Paused,
    /// It dies after the effect, and nobody comes before the guard.
    Gone,
    /// The same, and the node boots before its guard looks.
    GoneAndPowerCut,
}

impl Fate {
    pub const ALL: [Self; 11] = [
        Self::Fine,
        Self::Fails,
        Self::Unheard,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::PowerCut,
        Self::Asked,
        Self::Superseded,
        Self::Paused,
        Self::Gone,
        Self::GoneAndPowerCut,
    ];
}

pub fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Fine),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Unheard),
        1 => Just(Fate::KilledBefore),
        1 => Just(Fate::KilledAfter),
        1 => Just(Fate::PowerCut),
        1 => Just(Fate::Asked),
        1 => Just(Fate::Superseded),
        1 => Just(Fate::Paused),
        1 => Just(Fate::Gone),
        1 => Just(Fate::GoneAndPowerCut),
    ]
}

pub struct Life<'a> {
    pub plan: &'a Plan,
    pub records: Vec<Record>,
    pub state: RunState,
    pub generation: u64,
}

impl Life<'_> {
    pub fn record(&mut self, event: Event) {
        let record = Record {
            run: self.plan.id.clone(),
            generation: self.generation,
            at: jiff::Timestamp::UNIX_EPOCH,
            up: self.records.len() as u64,
            boot: "b".into(),
            event,
        };
        self.state.apply(self.plan, &record).unwrap_or_else(|why| panic!("{why}: {record:?}"));
        self.records.push(record);
    }

    /// As `belay resume` does it: a higher generation than any that the node knows, and what it did by itself taken over.
    pub fn resume(&mut self, world: &mut World) {
        let replayed = RunState::replay(self.plan, &self.records).unwrap();
        assert_eq!(replayed, self.state, "a replay differs from the life");
        self.state = replayed;
        self.generation = self.generation.max(world.fence) + 1;
        self.record(Event::Resumed { by: "test".into(), belay: "0".into(), back: false });
        world.fence = self.generation;
        let tale = world.tale();
        while let Some(turn) = self.state.adopted_turn(self.plan, &tale) {
            self.record(turn);
        }
        let Some(undo) = self.state.undo_to_adopt(self.plan, world.let_go) else { return };
        if world.is_done(undo.kind) {
            let proof = serde_json::Value::Null;
            for event in self.state.adopted_steps(self.plan, &undo, &proof, world.let_go) {
                self.record(event);
            }
        }
    }
}

pub fn fault(kind: FaultKind) -> Option<Fault> {
    Some(Fault { kind, message: "fate".into(), hint: None })
}

/// Lives one schedule to its end.
pub fn live(plan: &Plan, new_is_good: bool, fates: &[Fate]) -> (World, EndState, Vec<Record>) {
    live_on(plan, (new_is_good, true), fates)
}

/// The same; `holds`: whether the old version is well on data that the new one wrote.
pub fn live_on(plan: &Plan, (new_is_good, holds): (bool, bool), fates: &[Fate]) -> (World, EndState, Vec<Record>) {
    let mut world = World {
        path: Binary::Old,
        running: Some(Binary::Old),
        written_by_new: false,
        kept: false,
        new_is_good,
        class: plan.way_back.class,
        holds,
        lost: false,
        released: false,
        fence: 0,
        armed: false,
        stop_asked: false,
        vouched: false,
        turned: None,
        guarded: false,
        let_go: false,
        acted: 0,
    };
    let mut life = Life { plan, records: Vec::new(), state: RunState::default(), generation: 1 };
    let (from, to) = (plan.from.clone(), plan.to.clone());
    life.record(Event::Open { plan: plan.digest, from, to, by: "test".into(), belay: "0".into() });
    let mut fates = fates.iter().copied();
    for _ in 0..500 {
        match life.state.next(plan) {
            Command::Do { step, attempt } => {
                let fate = fates.next().unwrap_or(Fate::Fine);
                if matches!(fate, Fate::Asked)
                    && let Some(Command::Turn { reached, cause }) = life.state.ask_back(plan, "test")
                {
                    if reached != Reached::Prepared && life.generation >= world.fence {
                        world.turned = Some(plan.class_from(reached));
                    }
                    life.record(Event::Turn { reached, cause });
                    continue;
                }
                life.record(Event::Intent { step: step.id.clone(), attempt });
                let outcome = |ok, fault| Event::Outcome {
                    step: step.id.clone(),
                    ok,
                    proof: serde_json::Value::Null,
                    fault,
                    took: Span::ZERO,
                };
                let generation = life.generation;
                match fate {
                    Fate::Fails => life.record(outcome(false, fault(FaultKind::Failed))),
                    Fate::Superseded => life.record(outcome(false, fault(FaultKind::Fenced))),
                    Fate::KilledBefore => life.resume(&mut world),
                    Fate::Fine | Fate::Asked | Fate::Paused => {
                        if matches!(fate, Fate::Paused) {
                            world.guard();
                        }
                        match world.ask(generation, step.kind) {
                            Ok(()) => {
                                // Before the outcome is journalled, as the runner does.
                                world.vouched |= step.kind == StepKind::Gate && life.state.turn().is_none();
                                life.record(outcome(true, None));
                            }
                            Err(kind) => life.record(outcome(false, fault(kind))),
                        }
                    }
                    Fate::Unheard => {
                        let _ = world.ask(generation, step.kind);
                        life.record(outcome(false, fault(FaultKind::Channel)));
                    }
                    Fate::KilledAfter | Fate::PowerCut | Fate::Gone | Fate::GoneAndPowerCut => {
                        let _ = world.ask(generation, step.kind);
                        if matches!(fate, Fate::PowerCut | Fate::GoneAndPowerCut) {
                            world.start();
                        }
                        if matches!(fate, Fate::Gone | Fate::GoneAndPowerCut) {
                            world.guard();
                        }
                        life.resume(&mut world);
                    }
                }
            }
            Command::Probe { step } => {
                let state = if world.is_done(step.kind) { ProbeState::Done } else { ProbeState::NotDone };
                life.record(Event::Probed {
                    step: step.id,
                    state,
                    proof: serde_json::Value::Null,
                    says: String::new(),
                });
            }
            Command::Turn { reached, cause } => {
                if reached != Reached::Prepared && life.generation >= world.fence {
                    world.turned = Some(plan.class_from(reached));
                }
                life.record(Event::Turn { reached, cause });
            }
            Command::Leave { .. } => life.resume(&mut world),
            Command::End { state, why } => life.record(Event::End { state, why }),
            Command::Finished { state } => return (world, state, life.records),
        }
    }
    panic!("it did not end within 500 commands: {:?}", life.records.last());
}
