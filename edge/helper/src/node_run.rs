use std::fs;

use belay_facts::{DataLink, K3sVersion, Span, WayClass};
use belay_journal::JournalError;
use belay_wire::{
    ArmProof, BackupReceipt, FenceProof, GuardTale, KeepProof, NodeTarget, Op, RebuildProof, StageProof, StartProof,
    StopProof, SwapProof,
};

use crate::Places;
use crate::alone::Who;
use crate::backup::BackedUp;
use crate::lease::SignOfLife;
pub use crate::node_record::{Before, NodeEvent, NodeRecord, Proof, PutBackPlan, PutBackSummary};

/// A run as its journal on the node tells it: the fold of all records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeRun {
    pub id: String,
    pub records: u64,
    pub generation: u64,
    pub target: Option<NodeTarget>,
    /// The artifact that was asked for, from the last `stage`.
    pub tag: Option<K3sVersion>,
    pub fenced: Option<FenceProof>,
    pub staged: Option<StageProof>,
    pub backed_up: Option<BackedUp>,
    pub proven: Option<BackupReceipt>,
    /// How long its coordinator may be silent, from the intent to arm on.
    pub armed: Option<Span>,
    pub arm_proof: Option<ArmProof>,
    /// An intent to stop was written: K3s may be down because of this run.
    pub stop_intended: bool,
    /// Of the last stop, forgotten at the next intent to start.
    pub stopped: Option<StopProof>,
    pub kept: Option<KeepProof>,
    /// When that was, in milliseconds since 1970.
    pub kept_at: u64,
    pub rebuilt: Option<RebuildProof>,
    /// A restore was decided: the directories may be exchanged.
    pub restore_plan: Option<PutBackPlan>,
    pub restored: Option<PutBackSummary>,
    /// An intent to swap was written: the binary may be the new one.
    pub swap_intended: bool,
    pub swapped: Option<SwapProof>,
    /// The new version was to be in place, and was not found never to have lived when it was taken back.
    pub exposed: bool,
    /// The links as they were before the swap.
    pub links_before: Vec<DataLink>,
    /// An intent to start the new version was written, or it was seen to have run.
    pub new_started: bool,
    /// InvocationID before the last intent to start.
    pub start_after: Option<String>,
    pub started: Option<StartProof>,
    pub swapped_back: bool,
    pub put_back_plan: Option<PutBackPlan>,
    pub put_back: Option<PutBackSummary>,
    pub vouched: bool,
    /// Highest revision seen by the coordinator, from `turn`.
    pub turned: Option<u64>,
    /// By which class it goes back, from the last `turn`.
    pub class: WayClass,
    /// The run ended needing a human: a boot begins nothing by itself.
    pub stood_down: bool,
    /// When its coordinator wrote here last.
    pub heard: Option<SignOfLife>,
    /// What its guard did last.
    pub guard: Option<GuardTale>,
    /// How often the guard has begun since a coordinator was here.
    pub guard_tries: u32,
    /// It has finished since then.
    pub guard_done: bool,
    /// The generation that the guard took last.
    pub guard_generation: u64,
    pub ended: Option<String>,
    /// A short clause about the last record.
    pub last: String,
}

impl NodeRun {
    /// Reads and folds the journal of `run`; `None` when there is none.
    ///
    /// # Errors
    /// When it is damaged; then nothing may be done in its name.
    pub fn read(places: &Places, run: &str) -> Result<Option<Self>, JournalError> {
        let path = places.run_dir(run).join("journal");
        if !path.exists() {
            return Ok(None);
        }
        let (records, _) = belay_journal::read::<NodeRecord>(&path)?;
        let mut folded = Self { id: run.to_owned(), ..Self::default() };
        for record in &records {
            folded.add(&record.body);
        }
        Ok(Some(folded))
    }

    /// Takes one more record in.
    pub fn add(&mut self, record: &NodeRecord) {
        self.records += 1;
        self.generation = self.generation.max(record.generation);
        self.last = match &record.ev {
            NodeEvent::Intent { step, .. } => format!("{step} begun"),
            NodeEvent::Outcome { step, .. } => format!("{step} done"),
            NodeEvent::Failed { step, why } => format!("{step} not done: {why}"),
            NodeEvent::Vouched => "vouched for".to_owned(),
            NodeEvent::Turned { why, .. } => format!("turned back: {why}"),
            NodeEvent::Guarded { silent, .. } => format!("its guard began after {silent} of silence"),
            NodeEvent::GuardDone { did } => format!("its guard: {did}"),
            NodeEvent::StoodDown { why } => format!("needs a human: {why}"),
            NodeEvent::Ended { state } => format!("ended: {state}"),
        };
        self.hear(record);
        match &record.ev {
            NodeEvent::Intent { op, target, before, .. } => self.intend(op, target, before),
            NodeEvent::Outcome { proof, .. } => {
                self.prove(proof);
                if matches!(proof.as_ref(), Proof::Kept(_)) {
                    self.kept_at = record.wall;
                }
            }
            NodeEvent::Failed { .. } => {}
            NodeEvent::Vouched => self.vouched = true,
            NodeEvent::Turned { seen, class, .. } => {
                self.turned = Some(self.turned.unwrap_or(0).max(*seen));
                self.class = *class;
                self.stood_down = false;
            }
            NodeEvent::Guarded { attempt, silent, lease } => {
                let (attempt, silent, lease) = (*attempt, *silent, *lease);
                self.guard = Some(GuardTale { wall: record.wall, silent, lease, attempt, did: None });
                self.guard_tries = attempt;
                self.guard_generation = record.generation;
            }
            NodeEvent::GuardDone { did } => {
                self.guard_done = true;
                if let Some(guard) = &mut self.guard {
                    guard.did = Some(did.clone());
                }
            }
            NodeEvent::StoodDown { .. } => self.stood_down = true,
            NodeEvent::Ended { state } => self.ended = Some(state.clone()),
        }
    }

    /// Who writes here without a coordinator is no sign of one. One that comes after the guard begins anew.
    fn hear(&mut self, record: &NodeRecord) {
        let alone = match &record.ev {
            NodeEvent::Intent { step, .. } | NodeEvent::Outcome { step, .. } | NodeEvent::Failed { step, .. } => {
                Who::did(step)
            }
            NodeEvent::Guarded { .. } | NodeEvent::GuardDone { .. } => true,
            _ => self.guard.is_some() && record.generation == self.guard_generation,
        };
        if !alone {
            self.heard = Some(SignOfLife { boot: record.boot.clone(), up: record.up, wall: record.wall });
            (self.guard_tries, self.guard_done) = (0, false);
        }
    }

    fn intend(&mut self, op: &Op, target: &NodeTarget, before: &Before) {
        self.target = Some(target.clone());
        match op {
            Op::Stage { artifact, .. } => self.tag = Some(artifact.tag.clone()),
            // A human goes on with a run that stood down.
            Op::ArmGuard { lease } => (self.armed, self.stood_down) = (Some(*lease), false),
            Op::Stop => self.stop_intended = true,
            Op::Keep => self.kept = None,
            Op::Swap => {
                self.swap_intended = true;
                self.exposed = true;
                self.swapped_back = false;
                // A repeated intent finds links that the first try may have moved.
                if self.links_before.is_empty() {
                    self.links_before.clone_from(&before.links);
                }
            }
            Op::Start => {
                self.stopped = None;
                self.started = None;
                self.start_after.clone_from(&before.invocation);
                self.new_started |= self.expects_new();
            }
            Op::Rebuild { .. } => self.rebuilt = None,
            Op::Restore { .. } => {
                if let Some(plan) = &before.restore {
                    self.swap_intended = true;
                    self.restore_plan = Some(plan.as_ref().clone());
                }
            }
            Op::SwapBack => {
                self.new_started |= before.new_ran;
                self.exposed = before.untouched.map_or(self.exposed, |untouched| !untouched);
            }
            Op::PutBack { .. } => {
                if let Some(plan) = &before.put_back {
                    self.put_back_plan = Some(plan.as_ref().clone());
                }
            }
            _ => {}
        }
    }

    fn prove(&mut self, proof: &Proof) {
        match proof {
            Proof::Fenced(proof) => self.fenced = Some(proof.clone()),
            Proof::Staged(proof) => self.staged = Some(proof.clone()),
            Proof::BackedUp(proof) => self.backed_up = Some(proof.clone()),
            Proof::Proven(receipt) => self.proven = Some(receipt.clone()),
            Proof::Armed(proof) => self.arm_proof = Some(proof.clone()),
            Proof::Stopped(proof) => self.stopped = Some(proof.clone()),
            Proof::Kept(proof) => self.kept = Some(proof.clone()),
            Proof::Swapped(proof) => self.swapped = Some(proof.clone()),
            Proof::Started(proof) => {
                self.started = Some(proof.clone());
                // Found done, so there was no intent to start it: a boot had, or somebody else.
                self.new_started |= self.expects_new();
            }
            Proof::SwappedBack(_) => {
                self.swapped_back = true;
                self.swap_intended = false;
                self.swapped = None;
                self.links_before.clear();
                if !self.is_binary() {
                    self.kept = None;
                }
            }
            Proof::Rebuilt(proof) => self.rebuilt = Some(proof.clone()),
            Proof::Restored(summary) => self.restored = Some(summary.clone()),
            Proof::PutBack(summary) => self.put_back = Some(summary.clone()),
            Proof::Released(_) => {}
        }
    }

    /// The plan's way back leaves the data: the stopped copy is there until the run ends on this node.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.way_back == WayClass::Binary)
    }

    /// A way back of class binary did not hold, and the stopped copy follows.
    #[must_use]
    pub fn fell(&self) -> bool {
        self.is_binary() && self.turned.is_some() && self.class == WayClass::Keep && self.kept.is_some()
    }

    /// The live data are the old version's alone: a way back of class binary has nothing to fall back from, and the stopped
    /// copy would only lose what the old version has written since.
    #[must_use]
    pub fn stayed_old(&self) -> bool {
        self.is_binary() && self.swapped_back && !self.exposed
    }

    /// Whether a start now is one of the new version.
    #[must_use]
    pub fn expects_new(&self) -> bool {
        (self.swapped.is_some() || self.restored.is_some()) && !self.swapped_back && self.put_back.is_none()
    }

    /// A restore was decided and is not finished, and nobody has turned it back.
    #[must_use]
    pub fn restore_open(&self) -> bool {
        self.restore_plan.is_some() && self.restored.is_none() && self.turned.is_none() && self.put_back_plan.is_none()
    }

    /// A put-back was decided and is not finished.
    #[must_use]
    pub fn put_back_open(&self) -> bool {
        self.put_back_plan.is_some() && self.put_back.is_none()
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.records > 0 && self.ended.is_none()
    }
}

/// The runs of this node that have not ended, oldest name first. A journal that cannot be read counts as open: nobody
/// knows what it would say.
#[must_use]
pub fn open_runs(places: &Places) -> Vec<NodeRun> {
    all_runs(places).into_iter().filter(NodeRun::is_open).collect()
}

/// Every run that this node remembers.
#[must_use]
pub fn all_runs(places: &Places) -> Vec<NodeRun> {
    let mut names: Vec<String> = fs::read_dir(places.state.join("runs"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let damaged = |name: &str, error: &JournalError| NodeRun {
        id: name.to_owned(),
        records: 1,
        last: error.to_string(),
        ..NodeRun::default()
    };
    names
        .iter()
        .filter_map(|name| NodeRun::read(places, name).unwrap_or_else(|error| Some(damaged(name, &error))))
        .collect()
}
