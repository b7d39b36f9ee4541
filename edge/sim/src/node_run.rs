//! The node's own journal and its fold: a twin of `edge/helper/src/node_run.rs`, without what the simulation has no use for.

use belay_plan::WayClass;
use serde::{Deserialize, Serialize};

use crate::datastore::Schema;

/// A request's effect; a twin of `belay_wire::Op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    Fence,
    Stage,
    Backup,
    ProveBackup,
    Rebuild,
    ArmGuard { lease: u64 },
    Stop,
    Keep,
    Swap,
    Restore { seen: u64 },
    Start,
    SwapBack,
    PutBack { seen: u64 },
    Release { commit: bool },
    Vouch,
    Turn { seen: u64, class: WayClass },
    StandDown,
}

/// One record of the node's own journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    #[serde(rename = "gen")]
    pub generation: u64,
    /// By the boot unit or the guard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    pub ev: NodeEvent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEvent {
    Intent { op: Op, before: Before },
    Outcome(Proof),
    Failed,
    Vouched,
    Turned { seen: u64, class: WayClass },
    Guarded { attempt: u32 },
    GuardDone,
    StoodDown,
    Ended { committed: bool },
}

/// What an intent remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    Nothing,
    Invocation(u64),
    Link(String),
    Exchange(Exchange),
    /// Of a swap-back: whether the new version had run, whoever started it, and whether that which is taken back now has never
    /// lived.
    Ran {
        new_ran: bool,
        untouched: Option<bool>,
    },
}

/// A put-back or a restore, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exchange {
    /// The directory that shall be live.
    pub kept: usize,
    /// The one that shall not.
    pub abandoned: usize,
    /// Where the first lies before the exchange.
    pub keep: String,
    pub binary: String,
    pub revision: u64,
    pub lost: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    Fenced { generation: u64 },
    Staged,
    BackedUp,
    Proven,
    Rebuilt { inode: usize, objects: Vec<u32>, revision: u64 },
    Armed { lease: u64 },
    Stopped { invocation: u64, boot: u64 },
    Kept(Kept),
    Swapped,
    Restored,
    Started { invocation: u64 },
    SwappedBack,
    PutBack,
    Released,
}

/// Evidence of the stopped copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub server: usize,
    pub copy: usize,
    pub boot: u64,
    pub invocation: u64,
    pub revision: u64,
    pub objects: usize,
    /// The helper's mark is one of the content: who migrates and writes nothing else is seen as well.
    pub schema: Schema,
}

/// A run as the node remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeRun {
    pub records: u64,
    pub generation: u64,
    pub fenced: Option<u64>,
    pub staged: bool,
    pub backed_up: bool,
    pub proven: bool,
    pub rebuilt: Option<(usize, Vec<u32>, u64)>,
    pub armed: Option<u64>,
    pub arm_proof: Option<u64>,
    pub stop_intended: bool,
    pub guarded: bool,
    pub guard_tries: u32,
    pub guard_done: bool,
    pub stopped: Option<(u64, u64)>,
    pub kept: Option<Kept>,
    pub swap_intended: bool,
    pub swapped: bool,
    pub exposed: bool,
    pub link_before: Option<String>,
    pub restore_plan: Option<Exchange>,
    pub restored: bool,
    pub new_started: bool,
    pub start_after: Option<u64>,
    pub started: Option<u64>,
    pub swapped_back: bool,
    pub put_back_plan: Option<Exchange>,
    pub put_back: bool,
    pub vouched: bool,
    pub turned: Option<u64>,
    pub class: WayClass,
    pub stood_down: bool,
    pub ended: Option<bool>,
}

impl NodeRun {
    /// Takes one more record in. `binary`: the plan's way back is of that class.
    pub fn add(&mut self, record: &NodeRecord, binary: bool) {
        self.records += 1;
        self.generation = self.generation.max(record.generation);
        // One that comes after the guard begins anew.
        if !record.alone {
            (self.guard_tries, self.guard_done) = (0, false);
        }
        match &record.ev {
            NodeEvent::Guarded { attempt } => (self.guarded, self.guard_tries) = (true, *attempt),
            NodeEvent::GuardDone => self.guard_done = true,
            NodeEvent::Intent { op, before } => self.intend(*op, before),
            NodeEvent::Outcome(proof) => self.prove(proof, binary),
            NodeEvent::Failed => {}
            NodeEvent::Vouched => self.vouched = true,
            NodeEvent::Turned { seen, class } => {
                self.turned = Some(self.turned.unwrap_or(0).max(*seen));
                self.class = *class;
                self.stood_down = false;
            }
            NodeEvent::StoodDown => self.stood_down = true,
            NodeEvent::Ended { committed } => self.ended = Some(*committed),
        }
    }

    fn intend(&mut self, op: Op, before: &Before) {
        match (op, before) {
            (Op::ArmGuard { lease }, _) => self.armed = Some(lease),
            (Op::Stop, _) => self.stop_intended = true,
            (Op::Keep, _) => self.kept = None,
            (Op::Swap, before) => {
                (self.swap_intended, self.exposed, self.swapped_back) = (true, true, false);
                if let (None, Before::Link(link)) = (&self.link_before, before) {
                    self.link_before = Some(link.clone());
                }
            }
            (Op::Start, before) => {
                (self.stopped, self.started) = (None, None);
                self.start_after = match before {
                    Before::Invocation(life) => Some(*life),
                    _ => None,
                };
                self.new_started |= self.expects_new();
            }
            (Op::Rebuild, _) => self.rebuilt = None,
            (Op::Restore { .. }, Before::Exchange(plan)) => {
                self.swap_intended = true;
                self.restore_plan = Some(plan.clone());
            }
            (Op::SwapBack, Before::Ran { new_ran, untouched }) => {
                self.new_started |= new_ran;
                self.exposed = untouched.map_or(self.exposed, |untouched| !untouched);
            }
            (Op::PutBack { .. }, Before::Exchange(plan)) => self.put_back_plan = Some(plan.clone()),
            _ => {}
        }
    }

    fn prove(&mut self, proof: &Proof, binary: bool) {
        match proof {
            Proof::Fenced { generation } => self.fenced = Some(*generation),
            Proof::Armed { lease } => self.arm_proof = Some(*lease),
            Proof::Staged => self.staged = true,
            Proof::BackedUp => self.backed_up = true,
            Proof::Proven => self.proven = true,
            Proof::Rebuilt { inode, objects, revision } => self.rebuilt = Some((*inode, objects.clone(), *revision)),
            Proof::Stopped { invocation, boot } => self.stopped = Some((*invocation, *boot)),
            Proof::Kept(kept) => self.kept = Some(kept.clone()),
            Proof::Swapped => self.swapped = true,
            Proof::Restored => self.restored = true,
            Proof::Started { invocation } => {
                self.started = Some(*invocation);
                self.new_started |= self.expects_new();
            }
            Proof::SwappedBack => {
                (self.swapped_back, self.swap_intended, self.swapped) = (true, false, false);
                self.link_before = None;
                if !binary {
                    self.kept = None;
                }
            }
            Proof::PutBack => self.put_back = true,
            Proof::Released => {}
        }
    }

    #[must_use]
    pub fn expects_new(&self) -> bool {
        (self.swapped || self.restored) && !self.swapped_back && !self.put_back
    }

    #[must_use]
    pub fn restore_open(&self) -> bool {
        self.restore_plan.is_some() && !self.restored && self.turned.is_none() && self.put_back_plan.is_none()
    }

    #[must_use]
    pub fn put_back_open(&self) -> bool {
        self.put_back_plan.is_some() && !self.put_back
    }

    /// As in the helper: the stopped copy follows a way back of class binary.
    #[must_use]
    pub fn fell(&self, binary: bool) -> bool {
        binary && self.turned.is_some() && self.class == WayClass::Keep && self.kept.is_some()
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.records > 0 && self.ended.is_none()
    }
}
