use std::collections::BTreeMap;

use belay_facts::{Coordinator, DataLink, Digest, Inventory, Life, NodeFacts, Secret, Span, UserlandFacts, WayClass};
use serde::{Deserialize, Serialize};

use crate::{
    ArmProof, BackupReceipt, GuardTale, KeepProof, Leftover, LostObject, PortSeen, RebuildProof, Restorable,
    StageProof, StopProof, SwapProof,
};

/// The answer to a request; exactly one, after any number of `Progress`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply", content = "body")]
pub enum Reply {
    Hello {
        version: u32,
        helper: String,
        boot_id: String,
        uid: u32,
    },
    Progress(Progress),
    Inspection(Box<Inspection>),
    Credentials(Box<Credentials>),
    Observation(Box<Observation>),
    Log {
        unit: Vec<String>,
        containerd: Vec<String>,
    },
    Resolved {
        addresses: Vec<String>,
        answer: String,
    },
    Remembered {
        open: bool,
        generation: u64,
        turned: bool,
        /// By which class it goes back, as it was told last.
        #[serde(default)]
        class: WayClass,
        records: u64,
        last: String,
        ended: Option<String>,
        /// What its guard did, if it has acted.
        #[serde(default)]
        guard: Option<GuardTale>,
        /// K3s was asked to stop in this run.
        #[serde(default)]
        stopped: bool,
        /// The new version may have run, or its data been exchanged.
        #[serde(default)]
        started: bool,
        /// A put-back was decided: the data may be those of the stopped copy again.
        #[serde(default)]
        put_back: bool,
    },
    Port(PortSeen),
    /// `None`: no run is open on this node.
    Held(Option<Held>),
    /// The file as it is, or `None` where the node remembers nothing of the run.
    Journal(Option<Vec<u8>>),
    Backup(BackupListing),
    Read {
        bytes: u64,
    },
    Leftovers(Vec<Leftover>),
    Restorables(Vec<Restorable>),
    Difference(Difference),
    Objects(Box<Inventory>),
    Userland(UserlandFacts),
    Fenced(FenceProof),
    Staged(StageProof),
    BackedUp {
        path: String,
        bytes: u64,
    },
    Proven(BackupReceipt),
    Armed(ArmProof),
    Stopped(StopProof),
    Kept(KeepProof),
    Swapped(SwapProof),
    Started(StartProof),
    Noted,
    Rebuilt(RebuildProof),
    /// Of `put-back` and of `restore`: the same exchange, the other way round.
    PutBack(Box<PutBackProof>),
    Released(ReleaseProof),
    Probe(StepProbe),
    Fault(Fault),
}

/// What a long step is doing; may be dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Progress {
    /// A short clause in the present tense: `copying the datastore`.
    pub doing: String,
    pub done: u64,
    /// 0 when it is not known.
    pub total: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// Without `certificates`: the coordinator parses them, so that the helper carries no X.509 code.
    pub node: NodeFacts,
    pub certificates: Vec<PemFile>,
    /// What could not be read and why, in sentences.
    pub notes: Vec<String>,
}

/// A public certificate file. Never a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PemFile {
    pub path: String,
    pub pem: String,
}

/// How to reach the API of this node as its administrator; kept in memory only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Credentials {
    /// `127.0.0.1:6443`, or what `bind-address` and `https-listen-port` say.
    pub address: String,
    pub server_ca: String,
    pub client_certificate: String,
    pub client_key: Secret,
}

/// The unit and its process at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observation {
    pub active_state: String,
    pub sub_state: String,
    /// `success`, `exit-code`, `signal`, `timeout`, `assert`, …
    pub result: String,
    pub invocation: String,
    pub restarts: u32,
    pub main_pid: u32,
    pub exe: Option<String>,
    pub data_hash: Option<String>,
    /// Digest of the running executable (cached by inode, size and time).
    pub exe_digest: Option<Digest>,
    /// Whether containerd's socket accepts a connection; `None` when K3s does not run its own containerd here.
    pub containerd: Option<bool>,
    /// Embedded etcd as it is now; `None` where there is none or it could not be read.
    #[serde(default)]
    pub etcd: Option<belay_facts::EtcdFacts>,
    pub boot_id: String,
    pub uptime: Span,
    /// Milliseconds since 1970 by the node's calendar, which need not be the coordinator's.
    pub wall: u64,
}

/// A run that has not ended on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    pub run: String,
    pub generation: u64,
    /// The coordinator that took the node last; `None` when nobody signed.
    pub by: Option<Coordinator>,
    /// As this node sees it.
    pub life: Life,
    /// A short clause about the last record of the node's journal.
    pub last: String,
}

/// The files of a stored backup by their path below it, with sizes, and its symbolic links with what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackupListing {
    pub files: Vec<(String, u64)>,
    pub links: Vec<(String, String)>,
}

/// Whether a step's effect is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum StepProbe {
    /// With the proof that doing it would have given.
    Done {
        proof: serde_json::Value,
    },
    NotDone,
    /// Begun, and neither: doing it again finishes or redoes it safely.
    Partial {
        what: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Created,
    Changed,
    Deleted,
    /// Created and deleted again, all of it after the swap.
    CameAndWent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FenceProof {
    pub generation: u64,
    pub boot_id: String,
    /// Path of the interlock's drop-in.
    pub interlock: String,
    pub reserved: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StartProof {
    pub invocation: String,
    pub main_pid: u32,
    pub boot_id: String,
    /// From the start job to READY=1.
    pub took: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PutBackProof {
    /// `server/` is the kept directory again, by inode.
    pub server_inode: u64,
    /// Where the abandoned directory lies.
    pub abandoned: String,
    pub digest: Digest,
    /// Revisions start above this one.
    pub revision: u64,
    pub kept_revision: u64,
    /// `None`: the abandoned datastore could not be read.
    pub abandoned_revision: Option<u64>,
    pub links: Vec<DataLink>,
    /// Files of the user that were carried over, relative to `server/`.
    pub carried: Vec<String>,
    /// False when the abandoned datastore could not be read to its end.
    pub lost_complete: bool,
    pub lost: Vec<LostObject>,
    /// How many more are named only in `lost.json` beside the node's journal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_unlisted: u64,
    /// Heartbeats: leases and events by resource, counted and not listed.
    pub uncounted: BTreeMap<String, u64>,
    pub took: Span,
}

/// What was written since an earlier state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// False when some of it cannot be told any more.
    pub complete: bool,
    pub objects: Vec<LostObject>,
    /// How many more there are than travelled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// Heartbeats: leases and events by resource, counted and not listed.
    pub uncounted: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReleaseProof {
    /// What leads back and stays on the node.
    pub stays: Vec<String>,
}

/// Why a request was not carried out. `message` is a sentence: what was attempted on which object, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A precondition does not hold; nothing was changed.
    Refused,
    /// What an earlier step saw is no longer so (K3s ran in between): that step must be done again. Nothing was changed.
    Stale,
    /// It was tried and did not work; what was changed is undone or harmless.
    Failed,
    /// Its deadline passed without evidence.
    Deadline,
    /// A newer generation holds the node, or it is another run's by now. A fence that finds another run there is `Refused`.
    Fenced,
    /// The disk is full.
    Space,
    /// The file system takes no writes any more: read-only, or an I/O error.
    Io,
    /// Only a human can decide; nothing further may be tried.
    Human,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}
