use serde::{Deserialize, Serialize};

/// Why a step did not succeed. The message is a sentence: what was attempted on which object, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A precondition does not hold; nothing was changed.
    Refused,
    /// What an earlier step saw is no longer so: `stop` and `keep` must run again. Nothing was changed.
    Stale,
    /// It was tried and did not work.
    Failed,
    /// The deadline passed without evidence.
    Deadline,
    /// A gate said no.
    GateNo,
    /// A gate gave no answer in time.
    Inconclusive,
    /// Another coordinator of the run (a newer generation, another process) holds the node, or the node is another run's by now.
    /// A fence that finds another run there is `Refused`.
    Fenced,
    /// The disk is full.
    Space,
    /// The file system takes no writes any more: read-only, or an I/O error. Writing again proves nothing.
    Io,
    /// The channel to the node broke; the effect may or may not have happened.
    Channel,
    /// Only a human can decide.
    Human,
}

impl FaultKind {
    /// Whether trying the same step again can help on the way back, where giving up is worse than trying.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        !matches!(self, Self::Human | Self::Fenced)
    }

    /// Whether the effect may have happened in spite of the fault.
    #[must_use]
    pub const fn leaves_doubt(self) -> bool {
        matches!(self, Self::Channel)
    }
}
