use serde::{Deserialize, Serialize};

/// The objects of the cluster, read from its datastore instead of its API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectFacts {
    Read(Box<Inventory>),
    /// Somebody asked, and they could not be read.
    Unread {
        why: String,
    },
}

/// What the objects are, as far as rules ask; never their content. Sorted by every entry's first fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    pub source: InventorySource,
    /// Objects that could be told, those that the apiserver encrypted, and values of a form that is not known.
    pub objects: u64,
    pub encrypted: u64,
    pub undecoded: u64,
    /// Rows of K3s' own CAs and keys, one for each token.
    pub bootstrap_keys: u64,
    pub kinds: Vec<KindCount>,
    /// Versions of APIs that somebody named and that are not simply those in which the object is stored, or not yet stable.
    pub named_apis: Vec<NamedApi>,
    pub definitions: Vec<CustomDefinition>,
    pub webhooks: Vec<AdmissionWebhook>,
    pub nodes: Vec<StoredNode>,
    /// `None`: releases of Helm are among what is encrypted.
    pub pending_releases: Option<Vec<HelmRelease>>,
    /// Releases of Helm that consist of more than stable APIs; `None`: they are among what is encrypted.
    #[serde(default)]
    pub releases: Option<Vec<ReleaseApis>>,
    /// Budgets that allow no disruption now, though pods belong to them.
    pub blocking_budgets: Sample<DisruptionBudget>,
    /// `Deployment default/web`: one replica is asked for.
    pub single_replicas: Sample<String>,
    /// Running pods that nothing would make again, with their node.
    pub bare_pods: Sample<PlacedPod>,
    /// Pods that wait to be gone.
    pub terminating_pods: Sample<TerminatingPod>,
    /// Whose pods mount directories of their node.
    pub host_paths: Sample<HostPath>,
    /// Whose pods keep data in an `emptyDir` on disk: `StatefulSet default/db`.
    pub empty_dirs: Sample<String>,
    /// Volumes that are on one node.
    pub local_volumes: Sample<LocalVolume>,
    /// Labels of nodes under `kubernetes.io` that somebody's pods, or a custom object, ask a node for.
    pub selected_labels: Vec<SelectedLabel>,
    /// Objects of more than 512 KiB.
    pub large: Sample<LargeObject>,
}

/// Where the objects were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventorySource {
    pub kind: InventoryKind,
    /// The file that was read; a copy that was made for the check is gone again.
    pub path: String,
    /// Seconds since 1970: when it was taken.
    pub taken_at_unix: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InventoryKind {
    /// A backup of Belay's.
    Backup,
    /// A snapshot of etcd that K3s made by itself.
    Snapshot,
    /// The database in use, within one read transaction (SQLite), or a snapshot made for the check (etcd).
    Online,
}

/// How many objects of a kind are stored in which version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KindCount {
    /// `apps/v1`
    pub api_version: String,
    pub kind: String,
    pub count: u64,
}

/// A version of an API that somebody wrote objects with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedApi {
    pub api_version: String,
    pub kind: String,
    /// The manager in `managedFields`, or `last-applied-configuration`: who must change what it writes.
    pub by: String,
    pub count: u64,
    /// Some of them: `default/web`.
    pub examples: Vec<String>,
}

/// A CustomResourceDefinition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CustomDefinition {
    /// `widgets.example.com`
    pub name: String,
    /// Versions that objects may be stored in (`status.storedVersions`).
    pub stored: Vec<String>,
    pub served: Vec<String>,
    /// The service that converts between versions: `system/webhook`; empty without one.
    pub conversion: String,
    /// Where that service is answered; `None` without one.
    pub backend: Option<ServiceBackend>,
}

/// One webhook of a Validating- or MutatingWebhookConfiguration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdmissionWebhook {
    /// `ValidatingWebhookConfiguration policy`
    pub configuration: String,
    pub name: String,
    /// Requests are refused when it does not answer.
    pub fails_closed: bool,
    /// `system/webhook`; empty when it is asked by URL.
    pub service: String,
    /// Where that service is answered; `None` when it is asked by URL.
    pub backend: Option<ServiceBackend>,
    /// Namespaces or objects are chosen by labels.
    pub is_selective: bool,
}

/// The ready endpoints of a service, as its EndpointSlices say.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceBackend {
    pub ready: u64,
    pub nodes: Vec<String>,
}

/// A Node, as the datastore has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoredNode {
    pub name: String,
    /// Names of its labels under `kubernetes.io`.
    pub labels: Vec<String>,
    /// `key:effect`
    pub taints: Vec<String>,
    /// Its member of etcd was asked to leave (`etcd.k3s.cattle.io/remove`).
    pub etcd_removal: bool,
}

/// A release of Helm whose newest revision is pending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HelmRelease {
    pub namespace: String,
    pub name: String,
    pub revision: u64,
    /// `pending-upgrade`
    pub status: String,
}

/// What the newest revision of a release of Helm was made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReleaseApis {
    pub namespace: String,
    pub name: String,
    pub revision: u64,
    /// `policy/v1beta1 PodDisruptionBudget`: those that are of no stable version; `None`: its record could not be read.
    pub apis: Option<Vec<String>>,
}

/// A budget, and how many of the pods that belong to it are well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DisruptionBudget {
    pub namespace: String,
    pub name: String,
    /// `minAvailable 1`
    pub asks: String,
    pub healthy: u64,
    pub expected: u64,
}

/// A pod and where it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlacedPod {
    pub namespace: String,
    pub name: String,
    /// Empty until it is scheduled.
    pub node: String,
}

/// A pod that was deleted and is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TerminatingPod {
    pub namespace: String,
    pub name: String,
    pub node: String,
    /// Seconds since 1970: when its grace ends or has ended.
    pub gone_by_unix: u64,
}

/// A workload whose pods mount a directory of their node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPath {
    /// `DaemonSet kube-system/svclb`
    pub owner: String,
    pub path: String,
}

/// A PersistentVolume of kind `local` or `hostPath`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalVolume {
    pub name: String,
    /// `default/data-db-0`; empty when nobody claims it.
    pub claim: String,
    pub path: String,
    /// The nodes that its affinity names.
    pub nodes: Vec<String>,
}

/// A label that pods ask a node for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SelectedLabel {
    /// `node-role.kubernetes.io/master`
    pub label: String,
    pub count: u64,
    /// Some of those who ask: `DaemonSet kube-system/x`.
    pub examples: Vec<String>,
}

/// An object that is large for the datastore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LargeObject {
    /// The key in the datastore, without `/registry/`.
    pub key: String,
    pub bytes: u64,
}

/// How many there are, and the first of them by their order: a big cluster's facts stay small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample<T> {
    pub count: u64,
    pub first: Vec<T>,
}

impl<T> Default for Sample<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T: Ord> Sample<T> {
    /// How many are kept.
    pub const KEPT: usize = 50;

    /// Counts one, and keeps it if it is among the first. What is there already is counted once only where it is kept.
    pub fn add(&mut self, one: T) {
        if let Err(at) = self.first.binary_search(&one) {
            self.count += 1;
            if at < Self::KEPT {
                self.first.insert(at, one);
                self.first.truncate(Self::KEPT);
            }
        }
    }
}
