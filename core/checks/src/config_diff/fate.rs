use std::fmt;

use serde::Serialize;

/// What becomes of a setting, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    Unchanged,
    /// It is read, and means something else.
    ChangedDefault,
    /// Nobody reads it, now as then.
    Ignored,
    /// Whether the target reads it is not known here.
    Unknown,
    /// It was read, and is not any more.
    Gone,
    /// K3s does not start with it.
    Fatal,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "unchanged",
            Self::ChangedDefault => "changed default",
            Self::Ignored => "ignored",
            Self::Unknown => "unknown",
            Self::Gone => "gone",
            Self::Fatal => "fatal",
        })
    }
}
