//! What the node does by itself: the boot unit (a twin of `edge/helper/src/recover.rs`) and the guard.
//!
//! The guard here is the simulation's own small description of the lease (design.md §10): armed at the forward `stop`, renewed
//! by every request, disarmed by `release`. When it is over: the node's lock, the fence, then the old version if the gates
//! never said yes, else the version that runs.

use std::path::Path;
use std::rc::Rc;

use belay_engine::{Fault, FaultKind};
use belay_facts::{Mutant, mutated};
use belay_journal::{Disk as _, Durable};

use super::{ALONE, Helper, fault, hold, on_disk, remember};
use crate::node_run::{NodeEvent, NodeRun, Op};
use crate::{Group, Invariant, SimDisk, World, places};

/// At boot, before K3s.
pub fn recover(world: &mut World) {
    world.arrive(ALONE);
    alone(world, finish);
}

/// The coordinator was silent for longer than the lease.
pub fn guard(world: &mut World) {
    world.say(|| "the lease is over: the guard acts".to_owned());
    world.arrive(ALONE);
    alone(world, |world, disk, mut run| {
        if run.stood_down && !run.put_back_open() {
            return Ok(());
        }
        if !mutated(Mutant::GuardWithoutFence) {
            raise(disk, &run)?;
        }
        world.generation_floor = world.generation_floor.max(run.generation) + 1;
        let vouched = run.vouched && run.turned.is_none();
        if vouched && !mutated(Mutant::GuardIgnoresVouch) {
            world.start_k3s();
            return Ok(());
        }
        if vouched {
            world.violate(Invariant::GuardKeepsVouched, "the guard goes back although the gates had said yes");
        }
        if run.turned.is_none() {
            let mut helper = helper(world, disk, &run);
            helper.open_journal()?;
            let class = helper.class();
            helper.append(NodeEvent::Turned { seen: 0, class })?;
            run = helper.run.clone();
        }
        finish(world, disk, run)
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

fn helper<'w>(world: &'w mut World, disk: &SimDisk, run: &NodeRun) -> Helper<'w> {
    let generation = world.generation_floor.max(run.generation);
    Helper { world, disk: disk.clone(), journal: None, run: run.clone(), generation, orphaned: true }
}

fn raise(disk: &SimDisk, run: &NodeRun) -> Result<u64, Fault> {
    let held = disk.read(Path::new(places::FENCE)).map_err(|error| on_disk(&error))?;
    let held = String::from_utf8_lossy(&held).trim().parse::<u64>();
    let held = held.map_err(|_| fault(FaultKind::Failed, "the fence could not be read"))?;
    let generation = held.max(run.generation) + 1;
    hold(disk, generation)?;
    Ok(generation)
}

/// Finishes a way back that was decided, and leaves everything else to `resume`.
fn finish(world: &mut World, disk: &SimDisk, run: NodeRun) -> Result<(), Fault> {
    let binary = world.is_binary();
    let marked = world.exists(places::MARKER);
    let begun_here = run.put_back_open() || marked;
    if !begun_here && run.stood_down {
        return Ok(());
    }
    let restores = run.restore_open();
    if !(run.turned.is_some() || begun_here || restores) {
        return Ok(());
    }
    let raised = if mutated(Mutant::GuardWithoutFence) { run.generation } else { raise(disk, &run)? };
    world.generation_floor = world.generation_floor.max(raised);
    let seen = run.turned.unwrap_or(0);
    let step = |world: &mut World, op| {
        let mut helper = helper(world, disk, &run);
        helper.open_journal()?;
        helper.carry_out(op).map(|_| ())
    };
    if world.k3s.is_some() {
        step(world, Op::Stop)?;
    }
    if restores {
        step(world, Op::Restore { seen })?;
    } else {
        let decided = match binary {
            true => run.fell(binary),
            false => helper(world, disk, &run).new_ran(),
        };
        if run.put_back_open() || marked || !run.put_back && decided {
            step(world, Op::PutBack { seen })?;
        } else if !run.put_back {
            step(world, Op::SwapBack)?;
        }
    }
    if disk.is_dead() {
        return Ok(());
    }
    world.start_k3s();
    Ok(())
}
