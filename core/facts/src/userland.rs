use serde::{Deserialize, Serialize};

/// What K3s extracted from its binary and runs from, compared with the lists that came with it. K3s compares it only while it
/// extracts, never at a later start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserlandFacts {
    /// The `<hash>` of `data/<hash>` that the running process is from.
    pub data_hash: String,
    /// Files and links that the lists name.
    pub listed: u64,
    /// Those that are not as listed, with what they are instead: `containerd-shim-runc-v2: sha256:…`.
    pub damaged: Vec<String>,
}
