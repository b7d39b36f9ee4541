use serde::{Deserialize, Serialize};

/// K3s' own CAs and keys as the datastore keeps them, sealed with the token: a start looks for them before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapFacts {
    pub token: TokenFit,
    /// Files that are not as the datastore has them; `None` where its copy could not be read.
    pub differing: Option<Vec<DifferingFile>>,
}

/// Whether the token that the next start takes opens that copy. Told by the node, so that no token leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenFit {
    Fits,
    /// There is a copy, and this token does not open it.
    Other,
    /// The datastore has none.
    Absent,
    /// The datastore is too large to look for it.
    Unread,
}

/// A CA, a key or a list of passwords that is another one on the disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferingFile {
    /// Relative to `server`: `cred/passwd`.
    pub file: String,
    /// It is newer than the datastore's by what K3s forgives, or more.
    pub newer: bool,
}
