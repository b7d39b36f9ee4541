use belay_facts::{DataLink, Digest, Span, WayClass};
use belay_wire::{
    ArmProof, BackupReceipt, FenceProof, KeepProof, NodeTarget, Op, PutBackProof, RebuildProof, ReleaseProof,
    StageProof, StartProof, StopProof, SwapProof,
};
use serde::{Deserialize, Serialize};

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
    /// Nobody was heard of past the lease, and the guard begins.
    Guarded {
        attempt: u32,
        silent: Span,
        lease: Span,
    },
    /// The guard has brought the node to a safe state.
    GuardDone {
        did: String,
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
    /// Of a swap-back that leaves the data: the new version had run on them, whoever started it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_ran: bool,
    /// Whether the new version, taken back now, has never lived: then the live data are those of the stopped copy. `None` where
    /// it is not in place any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untouched: Option<bool>,
}

impl Before {
    pub(crate) fn is_empty(&self) -> bool {
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
    Armed(ArmProof),
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
