use serde::{Deserialize, Serialize};

use crate::DisruptionBudget;

/// What runs on one node and what holds it there, as the API tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePods {
    pub node: String,
    /// Those that have not ended; sorted by namespace and name.
    pub pods: Vec<NodePod>,
    /// Budgets that select one of these pods and allow no disruption now. Sorted.
    pub blocking_budgets: Vec<DisruptionBudget>,
    /// What of the rest could not be read: nothing is known of it then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<PodPart>,
}

/// What is read beside the pods themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodPart {
    Volumes,
    Budgets,
    Leases,
}

/// One pod, as far as it matters what becomes of it without its node or without the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodePod {
    pub namespace: String,
    pub name: String,
    /// Another one of the same name has another.
    pub uid: String,
    /// Of all its containers, since it was made.
    pub restarts: u32,
    /// What makes it again, of a ReplicaSet of a Deployment the Deployment: `Deployment web`. `None`: nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub ready: bool,
    /// Its kubelet made it, from a file of the node.
    #[serde(skip_serializing_if = "is_false")]
    pub is_static: bool,
    /// Directories and files of the node that it mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_paths: Vec<String>,
    /// Names of its volumes `emptyDir` that are on disk.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty_dirs: Vec<String>,
    /// Claimed volumes that only certain nodes have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_volumes: Vec<NodeVolume>,
    /// Names of all budgets that select it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<String>,
    /// Leases whose holder it is: it leads something as long as it can renew them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<HeldLease>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A PersistentVolume that its affinity, or its kind, binds to nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeVolume {
    /// Of the pod's namespace.
    pub claim: String,
    pub volume: String,
    /// Of kinds `local` and `hostPath`; empty for others.
    pub path: String,
}

/// A Lease that a pod holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldLease {
    /// `namespace/name`
    pub lease: String,
    /// After which somebody else may take it.
    pub seconds: u32,
}
