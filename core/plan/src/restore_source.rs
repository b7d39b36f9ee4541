use belay_facts::{CopyKind, Digest};
use serde::{Deserialize, Serialize};

/// The earlier state that a plan makes live again, as it lies on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RestoreSource {
    pub what: CopyKind,
    /// The run that left it there.
    pub run: String,
    pub taken_at: jiff::Timestamp,
    /// The datastore's revision in it.
    pub revision: u64,
    /// Where it lies.
    pub path: String,
    /// The K3s binary of that time, on the node, with its digest and size in bytes.
    pub binary: String,
    pub binary_digest: Digest,
    pub binary_size: u64,
}
