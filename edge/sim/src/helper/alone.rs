//! What the node does by itself: twins of `edge/helper/src/{alone,recover,guard}.rs`.

use std::path::Path;
use std::rc::Rc;

use belay_engine::{Fault, FaultKind};
use belay_facts::{Mutant, mutated};
use belay_journal::{Disk as _, Durable};
use belay_plan::WayClass;

use super::{ALONE, Helper, fault, hold, on_disk, remember};
use crate::node_run::{NodeEvent, NodeRun, Op, Proof};
use crate::world::Version;
use crate::{Group, Invariant, SimDisk, World, places};

/// How often the guard tries in a row.
const TRIES: u32 = 3;

/// At boot, before K3s.
pub fn recover(world: &mut World) {
    world.arrive(ALONE);
    alone(world, |world, disk, run| {
        let marked = world.exists(places::MARKER);
        if marked && run.turned.is_none() && !run.put_back_open() && run.restore_plan.is_none() {
            return Durable(disk).remove(Path::new(places::MARKER)).map_err(|error| on_disk(&error));
        }
        let begun_here = run.put_back_open() || marked;
        if !begun_here && run.stood_down || !(run.turned.is_some() || begun_here || run.restore_open()) {
            return Ok(());
        }
        let restores = run.restore_open();
        let mut alone = Alone::take(world, disk, run, false)?;
        if restores {
            alone.restore()?;
        } else {
            alone.go_back()?;
        }
        if !disk.is_dead() {
            world.start_k3s();
        }
        Ok(())
    });
}

/// The timer looks, and the coordinator was silent for longer than the lease.
pub fn guard(world: &mut World) {
    world.arrive(ALONE);
    alone(world, |world, disk, run| {
        let stays = run.vouched && run.turned.is_none();
        if run.armed.is_none() || run.stood_down || stays && !mutated(Mutant::GuardIgnoresVouch) {
            return Ok(());
        }
        if run.stop_intended && run.guard_done {
            return Ok(());
        }
        if stays {
            world.violate(Invariant::GuardKeepsVouched, "the guard goes back although the gates had said yes");
        }
        world.say(|| "the lease is over: the guard acts".to_owned());
        let (attempt, lets_go) = (run.guard_tries + 1, !run.stop_intended);
        let mut alone = Alone::take(world, disk, run, true)?;
        if attempt > TRIES {
            return alone.stand_down();
        }
        alone.note(NodeEvent::Guarded { attempt })?;
        let done = if lets_go { alone.let_go() } else { alone.guard_back() };
        match done {
            Err(fault) if attempt == TRIES || fault.kind == FaultKind::Human => alone.stand_down(),
            done => done,
        }
    });
}

fn alone(world: &mut World, act: impl FnOnce(&mut World, &SimDisk, NodeRun) -> Result<(), Fault>) {
    let disk = SimDisk::new(Rc::clone(&world.node), Group::Helper);
    let Ok(lock) = disk.lock(Path::new(places::NODE_LOCK)) else { return };
    let run = remember(world);
    if run.is_err() {
        world.violate(Invariant::ChainHolds, "the node's journal does not open");
    }
    let Some(run) = run.ok().filter(NodeRun::is_open) else { return };
    if let Err(fault) = act(world, &disk, run) {
        world.say(|| format!("alone: {}", fault.message));
        if mutated(Mutant::StartHalfRestored) {
            let _ = Durable(&disk).remove(Path::new(places::MARKER));
        }
    }
    drop(lock);
    world.settle();
}

struct Alone<'w> {
    world: &'w mut World,
    disk: SimDisk,
    run: NodeRun,
    generation: u64,
}

impl<'w> Alone<'w> {
    fn take(world: &'w mut World, disk: &SimDisk, run: NodeRun, guard: bool) -> Result<Self, Fault> {
        let held = disk.read(Path::new(places::FENCE)).map_err(|error| on_disk(&error))?;
        let (held, _) = super::held(&String::from_utf8_lossy(&held))
            .ok_or_else(|| fault(FaultKind::Failed, "the fence could not be read"))?;
        let generation = held.max(run.generation) + 1;
        if !(guard && mutated(Mutant::GuardWithoutFence)) {
            hold(disk, (generation, 0))?;
        }
        world.generation_floor = world.generation_floor.max(generation);
        Ok(Self { world, disk: disk.clone(), run, generation })
    }

    fn helper(&mut self) -> Result<Helper<'_>, Fault> {
        let mut helper = Helper {
            disk: self.disk.clone(),
            journal: None,
            run: self.run.clone(),
            generation: self.generation,
            channel: 0,
            alone: true,
            orphaned: true,
            world: self.world,
        };
        helper.open_journal()?;
        Ok(helper)
    }

    fn step(&mut self, op: Op) -> Result<Proof, Fault> {
        self.helper()?.carry_out(op)
    }

    fn note(&mut self, event: NodeEvent) -> Result<(), Fault> {
        let mut helper = self.helper()?;
        helper.append(event)?;
        self.run = helper.run.clone();
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Fault> {
        if self.world.k3s.is_some() { self.step(Op::Stop).map(|_| ()) } else { Ok(()) }
    }

    fn restore(&mut self) -> Result<(), Fault> {
        self.stop()?;
        let seen = self.run.turned.unwrap_or(0);
        self.step(Op::Restore { seen }).map(|_| ())
    }

    fn go_back(&mut self) -> Result<(), Fault> {
        let seen = self.run.turned.unwrap_or(0);
        let binary = self.world.is_binary();
        if self.run.swap_intended && self.run.put_back_plan.is_none() && self.run.restore_plan.is_none() {
            Durable(&self.disk).remove(Path::new(places::MARKER)).map_err(|error| on_disk(&error))?;
        }
        let decided = match binary {
            true => self.run.fell(binary),
            false if self.run.restore_plan.is_some() => true,
            false => self.helper()?.new_ran(),
        };
        if self.run.put_back_open() || self.world.exists(places::MARKER) || !self.run.put_back && decided {
            self.stop()?;
            self.step(Op::PutBack { seen })?;
        } else if !self.run.put_back {
            if self.world.at_path(places::BINARY) != Some(Version::Old) {
                self.stop()?;
            }
            self.step(Op::SwapBack)?;
        }
        Ok(())
    }

    fn bring_up(&mut self) -> Result<(), Fault> {
        if self.world.k3s.is_none() {
            self.step(Op::Start)?;
        }
        Ok(())
    }

    fn let_go(&mut self) -> Result<(), Fault> {
        self.note(NodeEvent::GuardDone)?;
        self.step(Op::Release { commit: false }).map(|_| ())
    }

    fn guard_back(&mut self) -> Result<(), Fault> {
        let binary = self.world.is_binary();
        if self.run.turned.is_none() {
            let class = self.world.shape.plan.way_back.class;
            self.note(NodeEvent::Turned { seen: 0, class })?;
        }
        let mut done = self.go_back().and_then(|()| self.bring_up());
        if done.as_ref().is_err_and(|fault| fault.kind != FaultKind::Human) && binary {
            self.run = remember(self.world).map_err(|_| fault(FaultKind::Failed, "the node's journal is gone"))?;
            if !self.run.fell(binary) && self.run.kept.is_some() {
                self.note(NodeEvent::Turned { seen: 0, class: WayClass::Keep })?;
                done = self.go_back().and_then(|()| self.bring_up());
            }
        }
        done?;
        self.note(NodeEvent::GuardDone)
    }

    fn stand_down(&mut self) -> Result<(), Fault> {
        self.note(NodeEvent::StoodDown)?;
        if !self.world.exists(places::MARKER) && !self.disk.is_dead() {
            self.world.start_k3s();
        }
        self.world.lease = None;
        Durable(&self.disk).remove(Path::new(places::GUARD)).map_err(|error| on_disk(&error))
    }
}
