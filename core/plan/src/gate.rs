use std::fmt;

use serde::{Deserialize, Serialize};

/// A question that must be answered yes before the next step (design.md §7). Asked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateName {
    /// Is it the same cluster: kube-system UID, CA, node set? A no stops K3s at once.
    Identity,
    /// Was it started once, and is what runs what was staged?
    Invocation,
    /// Does `/readyz?verbose` of this server say ok, asked with authentication?
    Readyz,
    /// Did the kubelet renew its lease after the start, and does it report the expected version?
    Kubelet,
    /// Does a write come back when it is read?
    Datastore,
    /// Does the cluster's DNS answer on the node?
    Dns,
    /// Are the workloads no worse than before?
    Workloads,
    /// Is a new pod scheduled, does it become ready, does it answer? It is made as soon as the cluster is known to be the same, so
    /// that it comes up while the others are asked.
    CanaryPod,
    /// Does the probe see the API without a further outage?
    Probe,
}

impl GateName {
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Invocation,
        Self::Readyz,
        Self::Kubelet,
        Self::Datastore,
        Self::Dns,
        Self::Workloads,
        Self::CanaryPod,
        Self::Probe,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Invocation => "invocation",
            Self::Readyz => "readyz",
            Self::Kubelet => "kubelet",
            Self::Datastore => "datastore",
            Self::CanaryPod => "canary-pod",
            Self::Dns => "dns",
            Self::Workloads => "workloads",
            Self::Probe => "probe",
        }
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
