use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a workload cannot simply go elsewhere when its node is emptied or does not come back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Hold {
    /// It belongs to its node: a DaemonSet's pod, or a static one. It goes and comes with the node.
    Node,
    /// Nothing makes it again.
    NothingMakesItAgain,
    /// No other replica is ready on another node: it is away until its pod was made again.
    NoOtherReplica,
    /// A volume that only certain nodes have: elsewhere it stays pending.
    Volume { claim: String, volume: String, path: String },
    /// A directory or file of the node: elsewhere it finds another.
    HostPath { path: String },
    /// What is in it goes with the pod.
    EmptyDir { name: String },
    /// A budget that allows no disruption now: a drain waits for it until it gives up.
    Budget { name: String, asks: String, healthy: u64, expected: u64 },
    /// More than one budget selects its pods: the API refuses to evict such a pod.
    SeveralBudgets { names: Vec<String> },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("it belongs to its node"),
            Self::NothingMakesItAgain => f.write_str("nothing makes it again"),
            Self::NoOtherReplica => f.write_str("no other replica is ready elsewhere"),
            Self::Volume { claim, path, .. } if path.is_empty() => f.write_str(claim),
            Self::Volume { claim, path, .. } => write!(f, "{claim} in {path}"),
            Self::HostPath { path } => f.write_str(path),
            Self::EmptyDir { name } => f.write_str(name),
            Self::Budget { name, asks, healthy, expected } => {
                write!(f, "{name} ({asks}: {healthy} of {expected} healthy)")
            }
            Self::SeveralBudgets { names } => f.write_str(&names.join(" and ")),
        }
    }
}
