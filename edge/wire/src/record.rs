use belay_facts::{DataLink, DatastoreKind, Digest, K3sVersion, Span, WayClass};
use serde::{Deserialize, Serialize};

/// The K3s of one node that a run acts on; taken from the plan, and checked on the node before every effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeTarget {
    /// `k3s.service`, or `k3s-NAME.service`.
    pub unit: String,
    /// Resolved path of the binary.
    pub binary: String,
    pub data_dir: String,
    pub datastore: DatastoreKind,
    /// Digest of the binary before the run.
    pub old: Digest,
    pub old_version: K3sVersion,
    /// Digest of the artifact.
    pub new: Digest,
    pub new_version: K3sVersion,
    /// The unit's TimeoutStopSec.
    pub timeout_stop: Span,
    /// The class of the way back that the plan has; `keep` in older journals.
    #[serde(default)]
    pub way_back: WayClass,
}

/// The file to be staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactSpec {
    pub tag: K3sVersion,
    pub digest: Digest,
    pub size: u64,
}

/// Evidence that a complete and verified slot lies on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageProof {
    /// `.k3s.belay-<run>` beside the resolved binary.
    pub slot: String,
    pub digest: Digest,
    /// What `--version` of the staged file said.
    pub version: K3sVersion,
    /// The `<hash>` of `data/<hash>` that it extracts to, extracted and verified.
    pub data_hash: String,
    /// Digest of `data/<hash>/bin/k3s`, which is what will run.
    pub inner: Digest,
    /// `data/<hash>` was there before this run.
    pub extracted_before: bool,
}

/// Evidence that a backup can be read back: the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackupReceipt {
    pub path: String,
    pub kind: DatastoreKind,
    pub taken_at_unix: u64,
    pub size: u64,
    /// Digest of the stored datastore file.
    pub digest: Digest,
    /// `ok`, from SQLite itself on the reopened copy.
    pub integrity: String,
    pub revision: u64,
    pub keys: u64,
    /// Digest over all live keys and values, in key order.
    pub root: Digest,
    /// Files beside the datastore, with digests, relative to `path`.
    pub files: Vec<(String, Digest)>,
    /// How much is proven: `readable`, `decrypts`, `boots`.
    pub level: String,
}

/// Evidence that K3s is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StopProof {
    pub active_state: String,
    /// InvocationID of the life that was ended; it must never be seen again.
    pub invocation: String,
    pub boot_id: String,
    pub took: Span,
}

/// Size, time and content of the datastore's files: two equal marks mean that nobody wrote in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DatastoreMark {
    /// Relative path, size, mtime in nanoseconds, digest; sorted by path.
    pub files: Vec<(String, u64, i128, Digest)>,
    /// The digests leave out the zeros at the end of each file; those in older journals do not.
    #[serde(default)]
    pub trimmed: bool,
}

/// What the kernel says of one of the datastore's files without reading it: nobody can write into it and leave this as it
/// is. Times are in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileStamp {
    /// Relative to `server`.
    pub name: String,
    pub inode: u64,
    pub size: u64,
    /// When its content changed last.
    pub modified: i128,
    /// When anything about it changed last.
    pub changed: i128,
}

/// Evidence of the stopped copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeepProof {
    /// `<data-dir>/server.belay-<run>`.
    pub path: String,
    pub server_inode: u64,
    pub keep_inode: u64,
    pub boot_id: String,
    pub invocation: String,
    pub mark: DatastoreMark,
    /// Of the live datastore when it was copied; empty where that could not be told, and in older journals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<FileStamp>,
    pub revision: u64,
    pub bytes: u64,
    pub links: Vec<DataLink>,
    pub took: Span,
}

/// Evidence of a `server` directory that was made to be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RebuildProof {
    /// `<data-dir>/server.belay-<run>.restore`.
    pub path: String,
    pub inode: u64,
    pub mark: DatastoreMark,
    pub revision: u64,
    pub bytes: u64,
}

/// Evidence of the exchange of the binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SwapProof {
    pub path: String,
    /// Digest of what the path names now.
    pub digest: Digest,
    /// Where the other binary lies.
    pub slot: String,
    /// Of a swap-back: the new version had run, by whomever it was started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_ran: bool,
}

/// An object that the abandoned version wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LostObject {
    /// As in the datastore's key: `configmaps`, `apps/deployments` is `deployments`, a custom resource `group/resource`.
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    pub change: crate::Change,
    /// The key, for what does not follow the usual form.
    pub key: String,
}
