use serde::{Deserialize, Serialize};

use crate::{Fate, Hold};

/// What becomes of one workload in the upgrade, and what would hold it if its node were emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkloadPreview {
    /// `Deployment shop/web`; of what only the datastore's objects tell also the claim of a volume or a budget.
    pub workload: String,
    /// Its pods on the node; `None`: not known.
    pub pods: Option<u64>,
    /// Ready replicas on other nodes; `None`: not known.
    pub elsewhere: Option<u32>,
    pub fate: Fate,
    /// Why it does not simply run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Sorted. Empty: it would be made again on another node, while other replicas go on.
    pub holds: Vec<Hold>,
}

impl WorkloadPreview {
    /// Its pods are made again elsewhere when the node is emptied, at once or after a gap.
    #[must_use]
    pub fn would_move(&self) -> bool {
        !self.holds.iter().any(|hold| matches!(hold, Hold::Node | Hold::NothingMakesItAgain | Hold::Volume { .. }))
    }

    /// It is of a kind that may have several pods on several nodes.
    pub(super) fn may_have_replicas(&self) -> bool {
        let is_bound = |hold: &Hold| matches!(hold, Hold::Node | Hold::NothingMakesItAgain);
        self.pods.is_some() && !self.workload.starts_with("Job ") && !self.holds.iter().any(is_bound)
    }
}
