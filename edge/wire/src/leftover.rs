use serde::{Deserialize, Serialize};

/// Something on a node that an earlier run left, and that may be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leftover {
    pub path: String,
    pub what: LeftoverKind,
    /// The run that left it.
    pub run: String,
    /// Bytes. Of a copied directory an upper bound: files that were hard-linked count as well.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftoverKind {
    /// The other binary, beside the one that runs.
    Slot,
    /// The stopped copy of `server/`.
    Kept,
    /// The `server/` that an abandoned version wrote.
    Abandoned,
    /// `data/<hash>`, which no link names and no process runs from.
    Extracted,
    /// A backup that is not the last good one.
    Backup,
    /// What a step had not completed.
    Partial,
}

impl LeftoverKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slot => "other binary",
            Self::Kept => "kept copy",
            Self::Abandoned => "abandoned data",
            Self::Extracted => "extracted data",
            Self::Backup => "older backup",
            Self::Partial => "incomplete",
        }
    }
}
