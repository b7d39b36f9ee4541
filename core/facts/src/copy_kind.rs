use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node has of an earlier state of its server, and can be made live again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyKind {
    /// The stopped copy of `server/` that an upgrade took: exact to the last write before the stop.
    Kept,
    /// An online backup with its receipt.
    Backup,
}

impl CopyKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Backup => "backup",
        }
    }
}

impl fmt::Display for CopyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
