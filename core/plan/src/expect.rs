use std::fmt;
use std::str::FromStr;

use belay_facts::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the planner expects, from this node's own last start and sizes. An estimate, never a bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expect {
    /// How long the API does not answer.
    pub api_gap: Span,
    /// The whole run, soak included.
    pub duration: Span,
    /// What a run needs on the node's disks at its widest.
    pub disk: Mebibytes,
}

/// A size for people to read, written `1229MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mebibytes(pub u64);

impl Mebibytes {
    /// Rounded up, so that it is never less than what is needed.
    #[must_use]
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes.div_ceil(1024 * 1024))
    }

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1024 * 1024)
    }
}

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MiB", self.0)
    }
}

impl FromStr for Mebibytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("MiB").and_then(|n| n.parse().ok());
        number.map(Self).ok_or_else(|| format!("`{text}` is not a size (expected something like 300MiB)"))
    }
}

impl Serialize for Mebibytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mebibytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
