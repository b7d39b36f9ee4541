use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run goes back once another version, or another state, may have written (design.md §6). Those that this build
/// carries out; others have a name there and are refused by the planner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayClass {
    /// K: the stopped copy of `server/` is put back; exact to the last write acknowledged before the stop.
    #[default]
    Keep,
    /// A: only the binary is swapped back; the data stay as they are, and K follows if a gate then says no.
    Binary,
    /// Nothing to take back: K3s is not touched.
    Untouched,
}

impl WayClass {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Binary => "binary",
            Self::Untouched => "untouched",
        }
    }
}

impl fmt::Display for WayClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
