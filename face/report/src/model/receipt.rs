use belay_plan::StepKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StepReport;

/// Evidence that the backup can be read back, from `prove-backup`'s proof. A field that is missing there is missing here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Receipt {
    pub node: String,
    pub path: Option<String>,
    pub kind: Option<String>,
    pub taken_at_unix: Option<i64>,
    /// Bytes.
    pub size: Option<u64>,
    pub digest: Option<String>,
    pub integrity: Option<String>,
    pub revision: Option<u64>,
    pub keys: Option<u64>,
    /// Digest over all live keys and values.
    pub root: Option<String>,
    /// `readable`, `decrypts` or `boots`.
    pub level: Option<String>,
    /// Files beside the datastore, with digests.
    pub files: Vec<(String, String)>,
}

/// The receipt of the first node that has one.
pub(super) fn receipt(steps: &[StepReport]) -> Option<Receipt> {
    let step = steps.iter().find(|step| step.kind == Some(StepKind::ProveBackup) && step.proof().is_some())?;
    let mut receipt: Receipt = serde_json::from_value(step.proof()?.clone()).ok()?;
    receipt.node.clone_from(&step.node);
    Some(receipt)
}

/// Where the first copy of a backup lies.
pub(super) fn copied(steps: &[StepReport]) -> Option<String> {
    let step = steps.iter().find(|step| step.kind == Some(StepKind::CopyBackup) && step.proof().is_some())?;
    step.proof()?.get("path")?.as_str().map(str::to_owned)
}

/// What `commit` or `release` left on the nodes.
pub(super) fn stays(steps: &[StepReport]) -> Vec<String> {
    let last = |step: &&StepReport| matches!(step.kind, Some(StepKind::Commit | StepKind::Release));
    let stays = |step: &StepReport| step.proof()?.get("stays")?.as_array().cloned();
    let text = |value: Value| value.as_str().map(str::to_owned);
    steps.iter().filter(last).filter_map(stays).flatten().filter_map(text).collect()
}
