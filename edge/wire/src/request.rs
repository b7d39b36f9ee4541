use belay_facts::{Coordinator, CopyKind, Digest, Span, WayClass};
use serde::{Deserialize, Serialize};

use crate::{ArtifactSpec, NodeTarget};

/// The protocol's version; both sides must say the same.
pub const HELLO_VERSION: u32 = 1;

/// One request. Reads carry no fence; mutations do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "one request is in flight at a time, and it is never stored")]
pub enum Request {
    /// First request on a channel. Answer: `Reply::Hello`.
    Hello {
        version: u32,
        /// Who asks; a fence remembers it, so that whoever comes second is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Coordinator>,
    },
    /// Which run has not ended on this node, and who holds it. Answer: `Reply::Held`.
    Held,
    /// The node's own journal of a run, line by line as it lies on its disk. Answer: `Reply::Journal`.
    Journal { run: String },
    /// All facts of the node. Answer: `Reply::Inspection`.
    Inspect,
    /// The administrator's client certificate, key and the server CA, for the API of this node. Answer: `Reply::Credentials`.
    Credentials,
    /// What the unit and its process are doing now; cheap, asked several times a second. `digest`: with that of the running
    /// executable, which has to be read the first time. Answer: `Reply::Observation`.
    Observe {
        unit: String,
        data_dir: String,
        #[serde(default)]
        digest: bool,
    },
    /// The last lines of the unit's log and of containerd's, for an explanation. Answer: `Reply::Log`.
    Log { unit: String, data_dir: String, lines: u32 },
    /// Asks a DNS server on UDP port 53 for the address of `name`, from the node. Answer: `Reply::Resolved`.
    Resolve { server: String, name: String, within: Span },
    /// From now on, for as long as this channel lives, look whether anybody listens on the API's port. Answer: `Reply::Noted`.
    WatchPort,
    /// What that saw until now. Answer: `Reply::Port`.
    Port,
    /// The coordinator of a run goes on and only waits: its lease begins anew. So does every other request over a channel
    /// that has taken the node, by this or by a mutation. Answer: `Reply::Noted`, or a fault when the node was taken over.
    Renew { run: String, generation: u64 },
    /// What the node remembers of a run (its own journal, folded). Answer: `Reply::Remembered`.
    Remember { run: String },
    /// What the stored backup of a run holds. Answer: `Reply::Backup`.
    ListBackup { run: String },
    /// One file of it: `Frame::Bytes`, ended by an empty one. Answer: then `Reply::Read`.
    ReadBackup { run: String, name: String },
    /// The earlier states of the server that are still here. Answer: `Reply::Restorables`.
    Restorables,
    /// What was written since one of them, if it were made live now. Answer: `Reply::Difference`.
    Difference { what: CopyKind, run: String, within: Span },
    /// What the objects of the cluster are, read from its datastore: from the latest copy of the last day, or where there is
    /// none, or it has to be `fresh`, from the datastore in use. Answer: `Reply::Objects`.
    Objects { fresh: bool, within: Span },
    /// Whether what K3s runs from is still what it extracted. Answer: `Reply::Userland`.
    Userland,
    /// What earlier runs left and may be removed. Answer: `Reply::Leftovers`.
    Leftovers,
    /// Removes those of `paths` that are leftovers now; under the node's lock, never while a run is open. Answer:
    /// `Reply::Leftovers` with what was removed.
    Prune { paths: Vec<String> },
    /// One of our steps. Answer: the reply that belongs to the operation, `Reply::Probe` for `Way::Probe`, or `Reply::Fault`.
    Mutate(Mutation),
}

/// A request that changes the node. The helper refuses it when `generation` is below the fence that it remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mutation {
    pub run: String,
    pub generation: u64,
    /// How often this coordinator had to open its channel again: what an earlier one brings late is refused.
    #[serde(default)]
    pub channel: u32,
    /// The step's id in the plan, such as `n1.swap`; journalled on the node as well.
    pub step: String,
    pub way: Way,
    pub target: NodeTarget,
    pub deadline: Span,
    pub op: Op,
}

/// Do the step, or only find out whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Probe-then-do: when the effect is there already, prove it and do nothing.
    Do,
    /// Never changes anything.
    Probe,
}

/// The effects that a helper can have on a node: these, and nothing else. There is no shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "op")]
pub enum Op {
    /// Take the node for this run: lock, generation, journal, interlock, boot unit, reserve. `plan` is the plan's digest.
    Fence { plan: Digest, reserve: u64 },
    /// Receive the artifact and make a verified slot of it. The bytes follow in `Frame::Bytes`, ended by an empty one,
    /// unless `have` (a path on the node that the coordinator wrote because it runs there as well) is given.
    Stage { artifact: ArtifactSpec, have: Option<String> },
    /// The online copy of the datastore and everything that belongs to it.
    Backup,
    /// Reopen the stored backup and prove it.
    ProveBackup,
    /// Let the node finish alone when its coordinator is silent past `lease`: timer, and the lease as remembered.
    ArmGuard { lease: Span },
    /// Stop the unit and prove that nothing of it is left.
    Stop,
    /// Copy the stopped `server/` beside itself.
    Keep,
    /// Exchange the binary with the staged slot.
    Swap,
    /// Start the unit and wait for READY.
    Start,
    /// Remember on the node that the gates said yes, so that a boot does not go back.
    Vouch,
    /// Remember on the node that this run goes back, whatever happens next, and by which class: a boot finishes that one.
    /// `seen` is the highest revision seen by probes and gates.
    Turn {
        seen: u64,
        #[serde(default)]
        class: WayClass,
        why: String,
    },
    /// Remember on the node that the run ended needing a human: from now on a boot finishes only what was begun there, and
    /// begins no way back by itself, and the guard is disarmed. A later `Turn` arms both again.
    StandDown { why: String },
    /// Undo `swap`: when the new version never ran (and drop a partial or complete keep), or when the target's way back
    /// is of class `binary` (and leave the keep).
    SwapBack,
    /// Class K: exchange `server/` and the binary with what was kept (design.md §6).
    PutBack { seen: u64 },
    /// Make a `server` directory of an earlier state beside the live one: of the stopped copy or the backup of `run`.
    Rebuild { what: CopyKind, run: String },
    /// Exchange `server/` and the binary with what was rebuilt and staged.
    Restore { seen: u64 },
    /// The run is over on this node: remove interlock, boot unit, guard and reserve. `keep_way_back`: leave old slot and keep where they are.
    Release { keep_way_back: bool },
}
