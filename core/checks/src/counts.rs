use serde::Serialize;

use crate::{Bundle, Knowledge};

/// How many entries there are, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    pub rules: usize,
    pub advisories: usize,
    pub hazards: usize,
    /// Flags, gates and versions of APIs that Kubernetes took away.
    pub removed: usize,
    /// Entries that a bundle of the project takes away.
    pub withdrawn: usize,
    /// Tables that a bundle of the project brings whole.
    pub tables: usize,
}

impl Counts {
    #[must_use]
    pub fn of_bundle(bundle: &Bundle) -> Self {
        Self {
            rules: bundle.rules.len(),
            advisories: bundle.advisories.len(),
            hazards: bundle.hazards.len(),
            removed: bundle.removed.ids().count(),
            withdrawn: bundle.withdrawn.len(),
            tables: bundle.tables().count(),
        }
    }

    #[must_use]
    pub fn of_knowledge(knowledge: &Knowledge) -> Self {
        Self {
            rules: knowledge.rules.len(),
            advisories: knowledge.advisories.advisory.len(),
            hazards: knowledge.releases.hazard.len(),
            removed: knowledge.removed.lists.ids().count(),
            withdrawn: 0,
            tables: 3,
        }
    }
}
