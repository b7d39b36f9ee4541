use belay_facts::{CopyKind, DatastoreKind, Digest, K3sVersion};
use serde::{Deserialize, Serialize};

/// An earlier state of the server that the node still has, whole enough to be made live again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restorable {
    pub what: CopyKind,
    /// The run that left it.
    pub run: String,
    /// The version that wrote it.
    pub version: K3sVersion,
    pub datastore: DatastoreKind,
    pub taken_at_unix: u64,
    /// The datastore's revision in it.
    pub revision: u64,
    /// Where it lies.
    pub path: String,
    /// Where the binary of that version lies, what it is and how many bytes it has.
    pub binary: String,
    pub binary_digest: Digest,
    pub binary_size: u64,
}
