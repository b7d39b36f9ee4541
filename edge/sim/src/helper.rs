//! The helper on the simulated node: admission, probe-then-do, and the node's own journal on its disk. A twin of
//! `edge/helper/src/{fence,mutate,step,recover}.rs`: a change of an order there belongs here as well.

use std::io;
use std::path::Path;
use std::rc::Rc;

use belay_engine::{Fault, FaultKind, ProbeState};
use belay_facts::{Mutant, mutated};
use belay_journal::{Disk as _, Durable, Journal, JournalError};

use crate::node_run::{NodeEvent, NodeRecord, NodeRun, Op, Proof};
use crate::world::Hand;
use crate::{Group, Invariant, SimDisk, Station, World, places};

mod alone;
mod back;
mod effects;
mod forward;

pub use alone::{guard, recover};

/// One request to the node; a twin of `belay_wire::Mutation`.
#[derive(Clone, Debug)]
pub struct Request {
    pub generation: u64,
    pub channel: u32,
    pub probe: bool,
    pub op: Op,
}

/// What the node answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Done(serde_json::Value),
    Probed(ProbeState, serde_json::Value),
}

pub(super) enum Found {
    Done(Proof),
    NotDone,
    Partial,
}

/// One request being carried out.
pub(super) struct Helper<'w> {
    pub world: &'w mut World,
    pub disk: SimDisk,
    pub journal: Option<Journal<SimDisk>>,
    pub run: NodeRun,
    pub generation: u64,
    pub channel: u32,
    /// The boot unit's or the guard's.
    pub alone: bool,
    /// Nobody waits for the answer.
    pub orphaned: bool,
}

pub(super) fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { kind, message: message.into(), hint: None }
}

pub(super) fn on_disk(error: &io::Error) -> Fault {
    let kind = if error.kind() == io::ErrorKind::StorageFull { FaultKind::Space } else { FaultKind::Failed };
    fault(kind, error.to_string())
}

fn in_journal(error: &JournalError) -> Fault {
    fault(if error.is_full_disk() { FaultKind::Space } else { FaultKind::Failed }, error.to_string())
}

/// What the node remembers of the run; the error is damage.
pub fn remember(world: &World) -> Result<NodeRun, JournalError> {
    let path = Path::new(places::NODE_JOURNAL);
    let node = world.node.borrow();
    let Ok(bytes) = node.read(path) else { return Ok(NodeRun::default()) };
    // The same bytes are the same story: most of them are asked for several times.
    if let Some((known, run)) = world.remembered.borrow().as_ref()
        && known == bytes
    {
        return Ok(run.clone());
    }
    let mut run = NodeRun::default();
    let (records, _) = belay_journal::read_bytes::<NodeRecord>(path, bytes)?;
    records.iter().for_each(|record| run.add(&record.body, world.is_binary()));
    *world.remembered.borrow_mut() = Some((bytes.to_vec(), run.clone()));
    Ok(run)
}

/// Carries out one request. `Channel` when the helper died in it.
pub fn serve(world: &mut World, request: &Request, orphaned: bool) -> Result<Reply, Fault> {
    let disk = SimDisk::new(Rc::clone(&world.node), Group::Helper);
    let answer = admitted(world, &disk, request, orphaned);
    if disk.is_dead() {
        world.settle();
        return Err(fault(FaultKind::Channel, "the helper died"));
    }
    if answer.is_ok() && !orphaned {
        world.renew();
    }
    if answer.is_ok() && !request.probe {
        check_durable(world, request.op);
    }
    answer
}

fn admitted(world: &mut World, disk: &SimDisk, request: &Request, orphaned: bool) -> Result<Reply, Fault> {
    let state = Path::new(places::STATE);
    Durable(disk).create_dir(state, 0o700).map_err(|error| on_disk(&error))?;
    let _lock =
        disk.lock(Path::new(places::NODE_LOCK)).map_err(|error| fault(FaultKind::Deadline, error.to_string()))?;
    admit(world, disk, request)?;
    world.renew();
    let mut helper = Helper {
        disk: disk.clone(),
        journal: None,
        run: NodeRun::default(),
        generation: request.generation,
        channel: request.channel,
        alone: false,
        orphaned,
        world,
    };
    if request.probe {
        helper.run = remember(helper.world).map_err(|error| in_journal(&error))?;
        return Ok(match helper.probe(request.op)? {
            Found::Done(proof) => Reply::Probed(ProbeState::Done, helper.told(&proof)),
            Found::NotDone => Reply::Probed(ProbeState::NotDone, serde_json::Value::Null),
            Found::Partial => Reply::Probed(ProbeState::Partial, serde_json::Value::Null),
        });
    }
    helper.open_journal()?;
    match request.op {
        Op::Vouch if helper.run.vouched => {}
        Op::Vouch => helper.append(NodeEvent::Vouched)?,
        Op::StandDown => {
            if !helper.run.stood_down {
                helper.append(NodeEvent::StoodDown)?;
            }
            Durable(&helper.disk).remove(Path::new(places::GUARD)).map_err(|error| on_disk(&error))?;
            helper.world.lease = None;
        }
        Op::Turn { seen, class } => {
            let run = &helper.run;
            let known = !run.stood_down && run.class == class && run.turned.is_some_and(|known| known >= seen);
            if !known {
                let _ = Durable(&helper.disk).remove(Path::new(places::SECOND_RESERVE));
                helper.append(NodeEvent::Turned { seen, class })?;
            }
            // Whoever goes back is guarded.
            if let Some(lease) = helper.run.armed.filter(|_| !helper.is_armed()) {
                helper.arm(lease)?;
            }
        }
        op => {
            let proof = helper.carry_out(op)?;
            return Ok(Reply::Done(helper.told(&proof)));
        }
    }
    Ok(Reply::Done(serde_json::Value::Null))
}

/// A coordinator that only waits goes on; a twin of `edge/helper/src/lease.rs`. One that has resumed raises the fence by it.
pub fn renew(world: &mut World, generation: u64) -> Result<(), Fault> {
    if !world.node.borrow().power {
        return Ok(());
    }
    let disk = SimDisk::new(Rc::clone(&world.node), Group::Helper);
    let fence =
        world.node.borrow().read(Path::new(places::FENCE)).map(|held| String::from_utf8_lossy(held).into_owned());
    let Some((known, _)) = fence.ok().and_then(|text| held(&text)) else { return Ok(()) };
    if generation < known {
        return Err(fault(FaultKind::Fenced, format!("generation {generation} is overtaken by {known}")));
    }
    // What cannot be raised is raised, or refused, by the next request.
    if generation > known
        && let Ok(_lock) = disk.lock(Path::new(places::NODE_LOCK))
    {
        let _ = hold(&disk, (generation, 0));
    }
    if disk.is_dead() {
        world.settle();
        return Ok(());
    }
    world.renew();
    Ok(())
}

/// As the helper's `admit`; invariant I17.
fn admit(world: &mut World, disk: &SimDisk, request: &Request) -> Result<(), Fault> {
    let holder = match disk.read(Path::new(places::FENCE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        bytes => {
            let text = String::from_utf8_lossy(&bytes.map_err(|error| on_disk(&error))?).into_owned();
            Some(held(&text).ok_or_else(|| fault(FaultKind::Failed, "the fence could not be read"))?)
        }
    };
    let taking = request.op == Op::Fence;
    let asks = (request.generation, request.channel);
    match holder {
        Some((held, _)) if request.generation < held && !mutated(Mutant::DropFence) => {
            return Err(fault(FaultKind::Fenced, format!("generation {} is overtaken by {held}", request.generation)));
        }
        Some(held) if asks < held && !mutated(Mutant::DropFence) => {
            return Err(fault(FaultKind::Fenced, format!("channel {} was given up", request.channel)));
        }
        Some(_) if taking || request.probe => {}
        Some(held) if asks > held => hold(disk, asks)?,
        Some(_) => Durable(disk).sync_parent(Path::new(places::FENCE)).map_err(|error| on_disk(&error))?,
        None if matches!(request.op, Op::Release { .. }) => {}
        None if !taking => return Err(fault(FaultKind::Refused, "the run has not taken this node")),
        _ => {}
    }
    let run = remember(world).map_err(|error| in_journal(&error))?;
    if run.ended.is_some() && !matches!(request.op, Op::Release { .. }) && !request.probe {
        return Err(fault(FaultKind::Refused, "the run has ended on this node"));
    }
    Ok(())
}

/// Generation and channel of whoever holds the node.
pub(crate) fn held(fence: &str) -> Option<(u64, u32)> {
    let (generation, channel) = fence.trim().split_once(' ')?;
    Some((generation.parse().ok()?, channel.parse().ok()?))
}

pub(super) fn hold(disk: &SimDisk, (generation, channel): (u64, u32)) -> Result<(), Fault> {
    let text = format!("{generation} {channel}\n");
    Durable(disk).replace(Path::new(places::FENCE), text.as_bytes(), 0o600).map_err(|error| on_disk(&error))
}

/// What a node has answered for survives a power cut. A note and a stop answer for nothing on an executable path: after a step
/// that failed in its sync nobody said that it is there, and the next exchange, start or release has to make it so.
fn check_durable(world: &mut World, op: Op) {
    let always = [(places::FENCE, Invariant::OneCoordinator), (places::NODE_JOURNAL, Invariant::IntentFirst)];
    let exchanged = [
        (places::MARKER, Invariant::NoHalfRestored),
        (places::BINARY, Invariant::AtomicSwap),
        (places::SERVER, Invariant::AtomicSwap),
        (places::KEEP, Invariant::WayBackStays),
        (places::SLOT, Invariant::WayBackStays),
    ];
    let noted = matches!(op, Op::Vouch | Op::Turn { .. } | Op::StandDown | Op::Stop);
    let exchanged = exchanged.into_iter().filter(|_| !noted);
    let node = Rc::clone(&world.node);
    for (path, invariant) in always.into_iter().chain(exchanged) {
        if !node.borrow().is_durable(Path::new(path)) {
            world.violate(invariant, format!("{path} was answered for and is not durable"));
        }
    }
}

impl Helper<'_> {
    pub(super) fn open_journal(&mut self) -> Result<(), Fault> {
        let path = Path::new(places::NODE_JOURNAL);
        Durable(&self.disk).create_dir(Path::new(places::RUN), 0o700).map_err(|error| on_disk(&error))?;
        let there = self.disk.read(path).is_ok();
        let disk = self.disk.clone();
        let journal = if there { Journal::open_exclusive_on(disk, path) } else { Journal::create_on(disk, path) };
        if let Err(JournalError::Damaged { .. }) = &journal {
            self.world.violate(Invariant::ChainHolds, "the node's journal does not open");
        }
        self.journal = Some(journal.map_err(|error| in_journal(&error))?);
        self.run = remember(self.world).map_err(|error| in_journal(&error))?;
        Ok(())
    }

    pub(super) fn append(&mut self, ev: NodeEvent) -> Result<(), Fault> {
        let record = NodeRecord { generation: self.generation, alone: self.alone, ev };
        let Some(journal) = &mut self.journal else {
            return Err(fault(FaultKind::Failed, "a probe writes no journal"));
        };
        journal.append(&record).map_err(|error| in_journal(&error))?;
        self.world.say(|| format!("node: {:?}", record.ev));
        self.run.add(&record, self.world.is_binary());
        let node = self.world.node.borrow();
        if let (Some((known, run)), Ok(bytes)) =
            (self.world.remembered.borrow_mut().as_mut(), node.read(Path::new(places::NODE_JOURNAL)))
            && bytes.starts_with(known)
        {
            known.extend_from_slice(bytes.get(known.len()..).unwrap_or_default());
            run.clone_from(&self.run);
        }
        Ok(())
    }

    /// Probe-then-do, as in the helper.
    pub(super) fn carry_out(&mut self, op: Op) -> Result<Proof, Fault> {
        if let Found::Done(proof) = self.probe(op)? {
            if !self.remembers(&proof) {
                self.secure()?;
                self.append(NodeEvent::Outcome(proof.clone()))?;
            }
            return Ok(proof);
        }
        let before = self.before(op)?;
        self.append(NodeEvent::Intent { op, before })?;
        self.check_effect(op);
        if self.world.hand == Some(Hand::Before) {
            self.hand_start();
        }
        let acted = match std::mem::take(&mut self.world.fail_effect) {
            true => {
                self.world.happened(crate::FaultKind::Fails);
                Err(fault(FaultKind::Failed, "it did not work"))
            }
            false => self.act(op),
        };
        if self.world.hand == Some(Hand::After) {
            self.hand_start();
        }
        match acted {
            Ok(proof) => {
                if self.run.ended.is_none() {
                    self.append(NodeEvent::Outcome(proof.clone()))?;
                }
                Ok(proof)
            }
            Err(fault) => {
                if fault.kind == FaultKind::Space {
                    let _ = Durable(&self.disk).remove(Path::new(places::SECOND_RESERVE));
                }
                let _ = self.append(NodeEvent::Failed);
                Err(fault)
            }
        }
    }

    /// Whoever did it was killed before the sync, or its sync failed.
    fn secure(&self) -> Result<(), Fault> {
        let dirs = [places::BINARY, places::SERVER, places::INTERLOCK];
        dirs.into_iter().try_for_each(|path| self.secure_parent(path))
    }

    pub(super) fn secure_parent(&self, path: &str) -> Result<(), Fault> {
        Durable(&self.disk).sync_parent(Path::new(path)).map_err(|error| on_disk(&error))
    }

    pub(super) fn hand_start(&mut self) {
        self.world.hand = None;
        if self.world.k3s.is_none() && !self.disk.is_dead() {
            self.world.happened(crate::FaultKind::HandStart);
            self.world.say(|| "the administrator starts K3s by hand".to_owned());
            self.world.start_k3s();
            self.world.write();
        }
    }

    /// Before every effect: both journals hold an intent for it, and nobody newer has been here.
    fn check_effect(&mut self, op: Op) {
        if self.disk.is_dead() {
            return;
        }
        if !self.world.node.borrow().is_durable(Path::new(places::NODE_JOURNAL)) {
            self.world.violate(Invariant::IntentFirst, format!("{op:?} begins, the node's intent is not durable"));
        }
        if self.generation < self.world.generation_floor {
            let what = format!("{op:?} for generation {}, {} was here", self.generation, self.world.generation_floor);
            self.world.violate(Invariant::OneCoordinator, what);
        }
        self.world.generation_floor = self.generation;
        let forward = self.run.turned.is_none();
        if op == Op::Stop && forward {
            let node = Rc::clone(&self.world.node);
            let durable = [places::RECEIPT, places::BACKUP].map(|path| node.borrow().is_durable(Path::new(path)));
            if !self.run.proven || !self.world.exists(places::RECEIPT) || durable.contains(&false) {
                self.world.violate(Invariant::ReceiptFirst, "K3s is stopped without a durable receipt");
            }
        }
    }

    /// The evidence, as it is journalled by the coordinator.
    fn told(&self, proof: &Proof) -> serde_json::Value {
        let lost = match proof {
            Proof::PutBack => self.run.put_back_plan.as_ref().map(|plan| plan.lost.clone()),
            Proof::Restored => self.run.restore_plan.as_ref().map(|plan| plan.lost.clone()),
            _ => None,
        };
        match (lost, proof) {
            (Some(lost), _) => serde_json::json!({ "lost": lost }),
            (None, Proof::SwappedBack) => serde_json::json!({ "new-ran": self.run.new_started }),
            (None, Proof::Started { invocation }) => serde_json::json!({ "invocation": invocation }),
            (None, _) => serde_json::json!({ "ok": true }),
        }
    }

    pub(super) fn beat(&self) -> Result<(), Fault> {
        self.disk.beat().map_err(|error| on_disk(&error))
    }
}

/// Where the boot unit and the guard are at work.
pub(super) const ALONE: Station = Station::Alone;
