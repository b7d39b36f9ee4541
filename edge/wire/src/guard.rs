use belay_facts::Span;
use serde::{Deserialize, Serialize};

/// Evidence that the node finishes alone from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArmProof {
    /// How long the coordinator may be silent.
    pub lease: Span,
    /// Path of the timer that looks.
    pub timer: String,
    pub boot_id: String,
}

/// What a guard did, as its node tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuardTale {
    /// Milliseconds since 1970 by the node's calendar, for people.
    pub wall: u64,
    /// How long its coordinator had been silent, on the node's boot clock.
    pub silent: Span,
    pub lease: Span,
    /// Which try this was.
    pub attempt: u32,
    /// A clause; `None` while it is at it, or when it was cut off.
    pub did: Option<String>,
}
