use std::fmt;

use serde::Serialize;

/// Whose signature a bundle carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "signer", content = "key")]
pub enum Signer {
    /// The project's own key, which is compiled in.
    Project,
    /// Another key that the user trusts, by its id.
    Other(String),
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project => f.write_str("Belay's own key"),
            Self::Other(key) => write!(f, "the key {key}"),
        }
    }
}
