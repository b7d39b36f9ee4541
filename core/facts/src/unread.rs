use serde::{Deserialize, Serialize};

/// A fact that could not be read: every rule that needs it answers *unknown*, whatever stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// As rules name it: `cluster.readiness`, `node.certificates`; with everything below it.
    pub fact: String,
    /// What was attempted on which object, and why it failed.
    pub why: String,
    /// What to type so that it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Unread {
    #[must_use]
    pub fn new(fact: &str, why: impl Into<String>, fix: Option<String>) -> Self {
        Self { fact: fact.to_owned(), why: why.into(), fix }
    }
}
