//! What a coordinator does on the node and asks of the cluster: a twin of `edge/runner/src/effect.rs` and of the gates.

use belay_engine::{Event, Fault, FaultKind, ProbeState};
use belay_plan::{Step, StepKind};
use serde_json::Value;

use super::{Coordinator, Left};
use crate::helper::{self, Reply, Request, fault};
use crate::node_run::Op;
use crate::world::{LinkFate, Release, Version};
use crate::{Invariant, World, places};

impl Coordinator {
    /// Faults at this station that a coordinator meets itself.
    pub(super) fn strike(&mut self, world: &mut World) -> Result<(), Left> {
        if world.take(|fault| fault == crate::FaultKind::CtrlC).is_some() {
            self.interrupted = true;
        }
        let killed = |fault| {
            use crate::FaultKind::{BitFlip, Forged, Rollback, Storm};
            matches!(fault, Rollback | Storm | BitFlip | Forged)
        };
        if let Some(fault) = world.take(killed) {
            world.after_kill = Some(fault);
            self.disk.kill();
            return Err(Left::Gone(format!("killed: {fault:?}")));
        }
        Ok(())
    }

    /// As `Runner::tale`: a node that cannot be reached is waited for, and knows of this generation before it is asked what it
    /// did: its guard, or a boot, takes a higher one.
    pub(super) fn reach(&mut self, world: &mut World) -> Result<(), Left> {
        self.broken = 0;
        loop {
            if let Err(fault) = helper::renew(world, self.generation) {
                self.record(world, Event::Superseded { says: fault.message.clone() })?;
                return Err(Left::Gone(fault.message));
            }
            world.settle();
            if world.node.borrow().power {
                self.broken = 0;
                return Ok(());
            }
            self.broken += 1;
            self.reopen(world, &fault(FaultKind::Channel, "the connection broke"))?;
        }
    }

    fn op(&self, world: &World, step: &Step) -> Option<Op> {
        let seen = world.seen.max(self.state.seen());
        Some(match step.kind {
            StepKind::Fence => Op::Fence,
            StepKind::Stage => Op::Stage,
            StepKind::Backup => Op::Backup,
            StepKind::ProveBackup => Op::ProveBackup,
            StepKind::Rebuild => Op::Rebuild,
            StepKind::ArmGuard => Op::ArmGuard { lease: step.lease.map_or(0, belay_facts::Span::as_millis) },
            StepKind::Stop => Op::Stop,
            StepKind::Keep => Op::Keep,
            StepKind::Swap => Op::Swap,
            StepKind::Restore => Op::Restore { seen },
            StepKind::Start => Op::Start,
            StepKind::SwapBack => Op::SwapBack,
            StepKind::PutBack => Op::PutBack { seen },
            StepKind::Commit => Op::Release { commit: true },
            StepKind::Release => Op::Release { commit: false },
            _ => return None,
        })
    }

    pub(super) fn find_out(&mut self, world: &mut World, step: &Step) -> Result<(ProbeState, Value), Fault> {
        let Some(op) = self.op(world, step) else { return Ok((ProbeState::NotDone, Value::Null)) };
        match self.ask(world, op, true)? {
            Reply::Probed(state, proof) => Ok((state, proof)),
            Reply::Done(_) => Err(fault(FaultKind::Failed, "a strange answer")),
        }
    }

    /// As `effect::settle`: what is there is confirmed, so that the node makes it durable and remembers it.
    pub(super) fn settle(&mut self, world: &mut World, step: &Step) -> Result<(ProbeState, Value), Fault> {
        let (state, _) = self.find_out(world, step)?;
        let Some(op) = self.op(world, step).filter(|_| state == ProbeState::Done) else {
            return Ok((state, Value::Null));
        };
        match self.ask(world, op, false) {
            Ok(Reply::Done(proof)) => Ok((ProbeState::Done, proof)),
            Ok(Reply::Probed(..)) => Err(fault(FaultKind::Failed, "a strange answer")),
            Err(fault) if fault.kind.leaves_doubt() || fault.kind == FaultKind::Fenced => Err(fault),
            Err(_) => Ok((ProbeState::Partial, Value::Null)),
        }
    }

    /// One request over the link, with what the link does to it.
    pub(super) fn ask(&mut self, world: &mut World, op: Op, probe: bool) -> Result<Reply, Fault> {
        let request = Request { generation: self.generation, channel: self.channel, probe, op };
        let lost = || Err(fault(FaultKind::Channel, "the connection broke"));
        let fate = world.link;
        if !matches!(fate, LinkFate::Down(_)) {
            world.link = LinkFate::Fine;
        }
        // A process that is gone sends nothing; of one that is killed while it waits, the helper may not hear at once.
        if self.disk.beat().is_err() {
            world.settle();
            if !world.dice.once_in(2) || !world.node.borrow().power {
                return lost();
            }
            let _ = helper::serve(world, &request, true);
            world.settle();
            return lost();
        }
        if !world.node.borrow().power {
            return lost();
        }
        match fate {
            LinkFate::Fine => {}
            LinkFate::RequestLost => {
                world.happened(crate::FaultKind::RequestLost);
                return lost();
            }
            LinkFate::Down(_) => {
                world.happened(crate::FaultKind::LinkDown);
                return lost();
            }
            LinkFate::Late => {
                world.happened(crate::FaultKind::Late);
                let later = 1 + u32::try_from(world.dice.below(12)).unwrap_or(0);
                world.late.push((request, later));
                return lost();
            }
            LinkFate::AnswerLost => {
                world.happened(crate::FaultKind::AnswerLost);
                let _ = helper::serve(world, &request, false);
                world.settle();
                return lost();
            }
            LinkFate::Twice => {
                world.happened(crate::FaultKind::Twice);
                let _ = helper::serve(world, &request, false);
                world.settle();
            }
        }
        if !probe {
            self.check_intent(world, op);
        }
        let reply = helper::serve(world, &request, false);
        world.settle();
        reply
    }

    /// Before the request leaves: the coordinator's intent survives a power cut.
    fn check_intent(&self, world: &mut World, op: Op) {
        let durable = world.desk.borrow().is_durable(std::path::Path::new(places::DESK_JOURNAL));
        let step = self.records.iter().rev().find_map(|record| match &record.event {
            Event::Intent { step, .. } => Some(step.clone()),
            _ => None,
        });
        let note = matches!(op, Op::Vouch | Op::Turn { .. } | Op::StandDown);
        let open = step.is_some_and(|step| *self.state.step(&step) == belay_engine::StepState::Intended);
        if !(note || durable && open) {
            world.violate(Invariant::IntentFirst, format!("{op:?} is asked for, the intent is not durable"));
        }
    }

    pub(super) fn effect(&mut self, world: &mut World, step: &Step) -> Result<Value, Fault> {
        let pause = world.dice.below(2000);
        world.advance(pause);
        match step.kind {
            StepKind::Baseline | StepKind::Gate | StepKind::Soak => self.gates(world, step),
            StepKind::CopyBackup => {
                self.disk.beat().map_err(|error| fault(FaultKind::Failed, error.to_string()))?;
                if std::mem::take(&mut world.fail_effect) {
                    world.happened(crate::FaultKind::Fails);
                    return Err(fault(FaultKind::Failed, "it could not be copied"));
                }
                Ok(serde_json::json!({ "copied": true }))
            }
            _ => {
                let op = self.op(world, step).ok_or_else(|| fault(FaultKind::Failed, "no step for a node"))?;
                match self.ask(world, op, false)? {
                    Reply::Done(proof) => Ok(proof),
                    Reply::Probed(..) => Err(fault(FaultKind::Failed, "a strange answer")),
                }
            }
        }
    }

    fn gates(&mut self, world: &mut World, step: &Step) -> Result<Value, Fault> {
        self.disk.beat().map_err(|error| fault(FaultKind::Channel, error.to_string()))?;
        let longest = if step.kind == StepKind::Soak { 60_000 } else { 10_000 };
        for _ in 0..2 {
            let long = world.dice.below(longest);
            world.advance(long / 2);
            // Whoever only waits tells so.
            helper::renew(world, self.generation)?;
        }
        if std::mem::take(&mut world.fail_effect) {
            world.happened(crate::FaultKind::Fails);
            return Err(fault(FaultKind::Inconclusive, "no answer in time"));
        }
        let no = |why: &str| Err(fault(FaultKind::GateNo, why));
        if !world.node.borrow().power {
            return Err(fault(FaultKind::Channel, "the connection broke"));
        }
        let Some(life) = world.k3s else { return no("K3s is down") };
        let forward = self.state.turn().is_none() && step.kind != StepKind::Baseline;
        let meant = if forward { Version::New } else { Version::Old };
        if life.version != meant {
            return no("another version runs");
        }
        let started = self.started(step);
        if step.kind == StepKind::Gate
            && started.is_some_and(|(life_then, boot)| boot == world.boot && life_then != life.invocation)
        {
            return no("it was restarted since");
        }
        if life.version == Version::New {
            match (world.release, step.kind) {
                (Release::NeverWell, _) => return no("a gate says no"),
                (Release::DiesLater, StepKind::Soak) => return no("it died in the soak"),
                _ => {}
            }
        } else if world.new_ran_on == Some(life.server) && !world.holds {
            return no("the old version is not well on these data");
        }
        if step.kind == StepKind::Gate && forward {
            self.ask(world, Op::Vouch, false)?;
        }
        Ok(serde_json::json!({ "yes": true }))
    }

    /// The life that this way's start has begun, and in which boot.
    fn started(&self, gate: &Step) -> Option<(u64, u64)> {
        let id = gate.id.replace(".gate", ".start");
        let life = self.state.proof(&id)?.get("invocation")?.as_u64()?;
        let record = self.records.iter().rev().find(|record| match &record.event {
            Event::Outcome { step, .. } | Event::Probed { step, .. } => *step == id,
            _ => false,
        })?;
        Some((life, record.boot.parse().ok()?))
    }
}

impl Coordinator {
    /// The objects that the proof of an exchange lists.
    pub fn lost(&self, kind: StepKind) -> std::collections::BTreeSet<u32> {
        let ways = belay_plan::Reached::ALL.into_iter().flat_map(|reached| self.plan.inverse(reached));
        let steps = self.plan.steps().cloned().chain(ways).filter(|step| step.kind == kind);
        let lists = steps.filter_map(|step| self.state.proof(&step.id)?.get("lost").cloned());
        lists.filter_map(|list| serde_json::from_value::<Vec<u32>>(list).ok()).flatten().collect()
    }
}
