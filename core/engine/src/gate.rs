use belay_facts::Span;
use belay_plan::GateName;
use serde::{Deserialize, Serialize};

/// The answer to one gate, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateAnswer {
    pub name: GateName,
    pub verdict: Verdict,
    /// One sentence for people.
    pub says: String,
    /// The facts behind it, by name.
    #[serde(default)]
    pub evidence: serde_json::Value,
    /// From the first asking to the verdict.
    pub after: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Yes,
    No,
    /// The deadline passed without evidence for either.
    Inconclusive,
}

/// A stretch of time in which the probe got no good answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outage {
    /// Start of the last good shot before it.
    pub from: jiff::Timestamp,
    /// End of the first good shot after it; `None` while it lasts.
    pub to: Option<jiff::Timestamp>,
    pub gap: Span,
    /// Failed shots by cause: `refused`, `timeout`, `status 503`, …
    pub causes: std::collections::BTreeMap<String, u64>,
}

impl Outage {
    /// The cause of shots that never left this machine, because the connection to the node was lost.
    pub const UNSEEN: &str = "connection to the node lost";

    /// Nothing is known of the API in this time: only the way to it was cut.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        !self.causes.is_empty() && self.causes.keys().all(|cause| cause == Self::UNSEEN)
    }
}
