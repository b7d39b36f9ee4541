use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ends. There are no others (I25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndState {
    /// All new, the gates said yes through the soak.
    Committed,
    /// All old again, the gates said yes.
    Restored,
    /// Stopped before K3s was touched: nothing changed.
    Unchanged,
    /// Neither could be reached, or not be shown; nothing further is tried.
    NeedsHuman,
}

impl EndState {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Restored => "restored",
            Self::Unchanged => "unchanged",
            Self::NeedsHuman => "needs-human",
        }
    }

    /// The exit code of `belay` (design.md §1). A way back that was asked for and reached is done.
    #[must_use]
    pub const fn exit_code(self, asked: bool) -> u8 {
        match (self, asked) {
            (Self::Committed, _) | (Self::Restored | Self::Unchanged, true) => 0,
            (Self::Restored | Self::Unchanged, false) => 3,
            (Self::NeedsHuman, _) => 4,
        }
    }
}

impl fmt::Display for EndState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
