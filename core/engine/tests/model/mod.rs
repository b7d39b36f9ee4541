//! A small model of a node, and of what fate does around a command: the world in which the real engine lives.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests only, and each uses some"
)]

use belay_engine::{Command, EndState, Event, Fault, FaultKind, ProbeState, Record, RunState};
use belay_facts::Span;
use belay_plan::{Plan, Reached, StepKind};

mod fate;
mod life;
mod plans;
mod world;

pub use fate::{Fate, fate};
pub use life::{Life, turns};
pub use plans::{at, binary, made, restoring};
pub use world::{Binary, World};

pub fn fault(kind: FaultKind) -> Option<Fault> {
    Some(Fault { kind, message: "fate".into(), hint: None })
}

/// Lives one schedule to its end.
pub fn live(plan: &Plan, new_is_good: bool, fates: &[Fate]) -> (World, EndState, Vec<Record>) {
    live_on(plan, (new_is_good, true), fates)
}

/// The same; `holds`: whether the old version is well on data that the new one wrote.
pub fn live_on(plan: &Plan, (new_is_good, holds): (bool, bool), fates: &[Fate]) -> (World, EndState, Vec<Record>) {
    let mut world = World::new(plan, (new_is_good, holds));
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
