use belay_facts::{K3sVersion, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StepKind;

/// An upgrade of the same node that went through, was never left, and whose API was watched throughout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeasuredRun {
    pub run: String,
    pub at: Timestamp,
    pub from: K3sVersion,
    pub to: K3sVersion,
    pub api_gap: Span,
    /// Without its soak.
    pub duration: Span,
    pub steps: Vec<MeasuredStep>,
}

/// How long one step took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeasuredStep {
    pub kind: StepKind,
    pub took: Span,
}
