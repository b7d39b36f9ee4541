//! The words between a coordinator and the helper on a node.
//!
//! Owns the frames, the handshake, the requests and their answers. A frame is a 4-byte big-endian length, one kind byte
//! (`J` for JSON, `B` for raw bytes) and the payload. One request is in flight at a time; progress frames may come
//! before its answer. The same words travel over a pipe to a local helper and over SSH to a remote one.

mod frame;
mod guard;
mod leftover;
mod port;
mod record;
mod reply;
mod request;
mod restorable;

pub use frame::{Frame, FrameError, MAX_FRAME, read_frame, write_frame};
pub use guard::{ArmProof, GuardTale};
pub use leftover::{Leftover, LeftoverKind};
pub use port::{PortClosed, PortSeen};
pub use record::{
    ArtifactSpec, BackupReceipt, DatastoreMark, FileStamp, KeepProof, LostObject, NodeTarget, RebuildProof, StageProof,
    StopProof, SwapProof,
};
pub use reply::{
    BackupListing, Change, Credentials, Difference, Fault, FaultKind, FenceProof, Held, Inspection, Observation,
    PemFile, Progress, PutBackProof, ReleaseProof, Reply, StartProof, StepProbe,
};
pub use request::{HELLO_VERSION, Mutation, Op, Request, Way};
pub use restorable::Restorable;

/// Where the node keeps what Belay must remember across a power cut (design.md §10).
pub const NODE_STATE: &str = "/var/lib/belay/node";
/// The helper as the boot unit starts it.
pub const HELPER_PATH: &str = "/usr/local/lib/belay/belay-helper";
/// The boot unit; not named `k3s*`, so that K3s' own kill script leaves it alone.
pub const GUARD_UNIT: &str = "belay-guard.service";
/// Looks every few seconds whether the coordinator was silent past its lease, and what it starts for that: no part of the
/// boot unit, which is ordered before K3s and would wait for itself.
pub const GUARD_TIMER: &str = "belay-guard.timer";
pub const LEASE_UNIT: &str = "belay-lease.service";
/// The interlock's drop-in in `<unit>.d/`.
pub const INTERLOCK: &str = "50-belay-interlock.conf";
/// The marker in the data directory that keeps K3s down while `server/` is being exchanged.
pub const MARKER: &str = ".belay-put-back";
