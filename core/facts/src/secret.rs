use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that must never reach a log, a journal, a report or an argument list (invariant I20).
///
/// It has no `Display`, its `Debug` says nothing, and it is written out only by the wire protocol, which carries it
/// over a pipe or an encrypted channel and keeps it in memory.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", super::Secret::new("canary-7f3a")), "Secret(…)");
    }
}
