use std::fmt;

use belay_facts::Span;
use serde::{Deserialize, Serialize};

use crate::GateName;

/// One effect on one node, as data. What it needs, proves and undoes is declared in `belay-engine`'s `steps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// `<node>.<kind>`, on the way back `<node>.back.<kind>`, on one that follows it `<node>.back2.<kind>`; unique in a
    /// plan and its inverse.
    pub id: String,
    pub node: String,
    pub kind: StepKind,
    /// How long the step may take before it counts as failed. For `soak`, longer than `for`.
    pub deadline: Span,
    /// `soak` only: how long the gates must go on saying yes.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// `arm-guard` only: how long the coordinator may be silent before the node goes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Span>,
    /// `baseline`, `gate` and `soak`: what is asked, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateName>,
    /// `baseline` and `gate`: what gave no answer when the plan was made, so it is not asked, and is said here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_asked: Vec<GateName>,
}

/// The kinds of steps, forward and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    Fence,
    Stage,
    Backup,
    ProveBackup,
    CopyBackup,
    Rebuild,
    Baseline,
    ArmGuard,
    Stop,
    Keep,
    Swap,
    Restore,
    Start,
    Gate,
    Soak,
    Commit,
    SwapBack,
    PutBack,
    Release,
}

impl StepKind {
    pub const ALL: [Self; 19] = [
        Self::Fence,
        Self::Stage,
        Self::Backup,
        Self::ProveBackup,
        Self::CopyBackup,
        Self::Rebuild,
        Self::Baseline,
        Self::ArmGuard,
        Self::Stop,
        Self::Keep,
        Self::Swap,
        Self::Restore,
        Self::Start,
        Self::Gate,
        Self::Soak,
        Self::Commit,
        Self::SwapBack,
        Self::PutBack,
        Self::Release,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Stage => "stage",
            Self::Backup => "backup",
            Self::ProveBackup => "prove-backup",
            Self::CopyBackup => "copy-backup",
            Self::Rebuild => "rebuild",
            Self::Baseline => "baseline",
            Self::ArmGuard => "arm-guard",
            Self::Stop => "stop",
            Self::Keep => "keep",
            Self::Swap => "swap",
            Self::Restore => "restore",
            Self::Start => "start",
            Self::Gate => "gate",
            Self::Soak => "soak",
            Self::Commit => "commit",
            Self::SwapBack => "swap-back",
            Self::PutBack => "put-back",
            Self::Release => "release",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Step {
    pub(crate) fn new(node: &str, prefix: &str, kind: StepKind, deadline: Span) -> Self {
        let id = format!("{node}.{prefix}{kind}");
        let (gates, not_asked) = (Vec::new(), Vec::new());
        Self { id, node: node.to_owned(), kind, deadline, length: None, lease: None, gates, not_asked }
    }
}
