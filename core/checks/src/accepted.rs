use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A risk that somebody took: by name, with a reason and an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The rule's id.
    pub rule: String,
    pub reason: String,
    pub by: String,
    /// The last day on which it counts.
    pub until: Date,
}

/// What is accepted, and the day on which that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub accepted: Vec<Acceptance>,
    pub today: Date,
}

impl Policy {
    /// The acceptance of `rule` that counts today; of several the one that lasts longest.
    #[must_use]
    pub fn acceptance(&self, rule: &str) -> Option<&Acceptance> {
        let counts = |a: &&Acceptance| {
            a.rule == rule && a.until >= self.today && !a.reason.trim().is_empty() && !a.by.trim().is_empty()
        };
        self.accepted.iter().filter(counts).max_by_key(|acceptance| acceptance.until)
    }
}
