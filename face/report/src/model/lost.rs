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
    /// How many more are named only in `lost.json` on the node.
    #[serde(default, rename(deserialize = "lost-unlisted"))]
    pub unlisted: u64,
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
    let proof = put_back.proof()?;
    Some(serde_json::from_value(proof.clone()).unwrap_or_else(|_| unreadable(proof)))
}

/// A proof of another shape (another version of the helper) must not read as "nothing was lost": the list is called
/// incomplete, and the proof itself stands with its step.
fn unreadable(proof: &serde_json::Value) -> Lost {
    let abandoned = proof.get("abandoned").and_then(serde_json::Value::as_str);
    let revision = |field: &str| proof.get(field).and_then(serde_json::Value::as_u64);
    Lost {
        abandoned: abandoned.unwrap_or("a place that the proof does not name").to_owned(),
        complete: false,
        objects: Vec::new(),
        unlisted: 0,
        uncounted: BTreeMap::new(),
        carried: Vec::new(),
        revision: revision("revision").unwrap_or(0),
        kept_revision: revision("kept-revision").unwrap_or(0),
        abandoned_revision: revision("abandoned-revision"),
    }
}
