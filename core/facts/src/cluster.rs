use serde::{Deserialize, Serialize};

use crate::{CertificateFacts, Digest, K3sVersion, NodePods};

/// What is true in the cluster, read through one server's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFacts {
    /// UID of the namespace `kube-system`: the identity of the data. Empty where the API did not let it be read.
    pub id: String,
    /// Digest of `server/tls/server-ca.crt`: the identity of the trust.
    pub ca: Digest,
    /// `gitVersion` of `/version`; `None` when it is not a K3s version.
    pub version: Option<K3sVersion>,
    pub readiness: Option<Readiness>,
    /// Sorted by name. Empty where the API did not let them be read.
    pub nodes: Vec<KubeNode>,
    /// Sorted by kind, namespace, name.
    pub workloads: Option<Vec<Workload>>,
    pub dns: Option<DnsService>,
    pub canary: Option<Canary>,
    pub deprecated_apis: Option<Vec<DeprecatedApi>>,
    pub upgrade_tools: Option<Vec<UpgradeTool>>,
    /// Of the node that the facts are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<NodePods>,
}

/// `/readyz?verbose`: the checks that did not say ok. The set of checks varies by minor: parsed, never compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    pub ok: bool,
    pub failing: Vec<String>,
}

/// A node as the API knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeNode {
    pub name: String,
    pub uid: String,
    pub roles: Vec<String>,
    pub kubelet: String,
    /// The container runtime, such as `containerd://2.2.0-k3s1`; empty until the kubelet has told.
    #[serde(default)]
    pub runtime: String,
    /// `STAGE-HASH` of the keys that its API server encrypts Secrets with (K3s' annotation `k3s.io/encryption-config-hash`); empty on agents,
    /// and where nothing was ever encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    pub ready: bool,
    pub unschedulable: bool,
    pub pressure: Vec<String>,
    /// The cluster keeps a hash of this node's password, and refuses the node with another one. Asked of the node that is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<bool>,
    /// What its kubelet serves, as another node sees it; `None` where it was not reached. Empty for the node that is looked at: its
    /// files tell ([`crate::NodeFacts::certificates`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateFacts>>,
}

/// A Deployment, StatefulSet or DaemonSet, with what a gate compares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub desired: u32,
    pub ready: u32,
    /// Of its pods, sorted, for what lies in `kube-system`: which version of an add-on runs. Empty elsewhere.
    #[serde(default)]
    pub images: Vec<String>,
}

/// The cluster's DNS service, `kube-system/kube-dns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsService {
    pub address: String,
    pub domain: String,
}

/// An image that is on the node already and can be started for the canary pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    pub image: String,
}

/// From the metric `apiserver_requested_deprecated_apis`: somebody asked for it since the server's last start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeprecatedApi {
    pub group: String,
    pub version: String,
    pub resource: String,
    /// `1.25`, or empty when no removal is announced.
    pub removed_release: String,
    /// The minor of `removed_release`; 0 when there is none.
    pub removed_minor: u32,
}

/// Another tool that may upgrade or restart the same nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UpgradeTool {
    /// `system-upgrade-controller`, `rancher`, …
    pub name: String,
    /// What was seen, such as `Plan system-upgrade/server-plan`.
    pub evidence: String,
}
