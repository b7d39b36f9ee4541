use std::collections::BTreeMap;

use belay_plan::StepKind;
use serde::{Deserialize, Serialize};

use super::StepReport;

/// What the abandoned version had written, from `put-back`'s proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lost {
    /// Where the abandoned directory lies.
    pub abandoned: String,
    /// False when the abandoned datastore could not be read to its end.
    #[serde(rename(deserialize = "lost-complete"))]
    pub complete: bool,
    #[serde(rename(deserialize = "lost"))]
    pub objects: Vec<LostObject>,
    /// Heartbeats by resource: leases and events.
    #[serde(default)]
    pub uncounted: BTreeMap<String, u64>,
    /// Files of the user that were carried over, relative to `server/`.
    #[serde(default)]
    pub carried: Vec<String>,
    /// Revisions start above this one.
    pub revision: u64,
    pub kept_revision: u64,
    pub abandoned_revision: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LostObject {
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    /// `created`, `changed`, `deleted` or `came-and-went`.
    pub change: String,
    pub key: String,
}

impl LostObject {
    /// `configmaps default/settings`; the key for what does not follow the usual form.
    #[must_use]
    pub fn display(&self) -> String {
        match (self.name.is_empty(), self.namespace.is_empty()) {
            (true, _) => self.key.clone(),
            (false, true) => format!("{} {}", self.resource, self.name),
            (false, false) => format!("{} {}/{}", self.resource, self.namespace, self.name),
        }
    }
}

/// Of the first node that was put back.
pub(super) fn lost(steps: &[StepReport]) -> Option<Lost> {
    let put_back = steps.iter().find(|step| step.kind == Some(StepKind::PutBack) && step.proof().is_some())?;
    serde_json::from_value(put_back.proof()?.clone()).ok()
}
