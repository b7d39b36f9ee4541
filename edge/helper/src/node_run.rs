use std::fs;

use belay_facts::{DataLink, Digest, K3sVersion, WayClass};
use belay_journal::JournalError;
use belay_wire::{
    BackupReceipt, FenceProof, KeepProof, NodeTarget, Op, PutBackProof, RebuildProof, ReleaseProof, StageProof,
    StartProof, StopProof, SwapProof,
};
use serde::{Deserialize, Serialize};

use crate::Places;
use crate::backup::BackedUp;

/// One record of the node's own journal, `runs/<run>/journal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    pub run: String,
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Milliseconds since 1970, for people.
    pub wall: u64,
    /// Milliseconds since boot.
    pub up: u64,
    pub boot: String,
    pub ev: NodeEvent,
}

/// What happened on the node. An intent holds everything that is needed to finish it without anybody's help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEvent {
    Intent {
        step: String,
        op: Op,
        target: Box<NodeTarget>,
        #[serde(default, skip_serializing_if = "Before::is_empty")]
        before: Before,
    },
    Outcome {
        step: String,
        proof: Box<Proof>,
    },
    /// The step was not done; what it had changed is undone or harmless.
    Failed {
        step: String,
        why: String,
    },
    Vouched,
    Turned {
        seen: u64,
        #[serde(default)]
        class: WayClass,
        why: String,
    },
    /// The run ended needing a human.
    StoodDown {
        why: String,
    },
    Ended {
        state: String,
    },
}

/// What an effect found and decided before it began, so that a second try does the same and not more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Before {
    /// The unit's InvocationID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<DataLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put_back: Option<Box<PutBackPlan>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Box<PutBackPlan>>,
}

impl Before {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A put-back, decided: which directory and which binary shall be where, and where revisions begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PutBackPlan {
    /// Inode of the directory that leads back; `server` shall be this one.
    pub kept_inode: u64,
    /// Inode of the directory that the abandoned version wrote.
    pub abandoned_inode: u64,
    /// Where the kept copy lay, and the abandoned one will.
    pub keep: String,
    /// Digest that the binary's path shall have.
    pub old: Digest,
    pub slot: String,
    pub links: Vec<DataLink>,
    /// Revisions start above this one.
    pub revision: u64,
    pub kept_revision: u64,
    pub abandoned_revision: Option<u64>,
    /// Files of the user to carry over, relative to `server/`.
    pub carry: Vec<String>,
    pub begun_up: u64,
}

/// The evidence of a step, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    Fenced(FenceProof),
    Staged(StageProof),
    BackedUp(BackedUp),
    Proven(BackupReceipt),
    Stopped(StopProof),
    Kept(KeepProof),
    Swapped(SwapProof),
    Started(StartProof),
    SwappedBack(SwapProof),
    Rebuilt(RebuildProof),
    Restored(PutBackSummary),
    PutBack(PutBackSummary),
    Released(ReleaseProof),
}

/// A put-back's proof without its list of objects, which lies in `lost.json` beside the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PutBackSummary {
    pub server_inode: u64,
    pub abandoned: String,
    pub took_ms: u64,
}

impl PutBackSummary {
    pub(crate) fn of(proof: &PutBackProof) -> Self {
        Self { server_inode: proof.server_inode, abandoned: proof.abandoned.clone(), took_ms: proof.took.as_millis() }
    }
}

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
    /// The links as they were before the swap.
    pub links_before: Vec<DataLink>,
    /// An intent to start the new version was written: it may have run.
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
            NodeEvent::StoodDown { why } => format!("needs a human: {why}"),
            NodeEvent::Ended { state } => format!("ended: {state}"),
        };
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
            NodeEvent::StoodDown { .. } => self.stood_down = true,
            NodeEvent::Ended { state } => self.ended = Some(state.clone()),
        }
    }

    fn intend(&mut self, op: &Op, target: &NodeTarget, before: &Before) {
        self.target = Some(target.clone());
        match op {
            Op::Stage { artifact, .. } => self.tag = Some(artifact.tag.clone()),
            Op::Keep => self.kept = None,
            Op::Swap => {
                self.swap_intended = true;
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
            Proof::Stopped(proof) => self.stopped = Some(proof.clone()),
            Proof::Kept(proof) => self.kept = Some(proof.clone()),
            Proof::Swapped(proof) => self.swapped = Some(proof.clone()),
            Proof::Started(proof) => self.started = Some(proof.clone()),
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
    names.sort();
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
