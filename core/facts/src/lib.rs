//! What is true: the vocabulary that every other crate speaks.
//!
//! Owns versions, digests, durations, and the facts of a node and of a cluster with their file format.
//! Does not own how a fact is read (edge) nor what it means (checks).

mod bootstrap;
mod cluster;
mod coordinator;
mod copy_kind;
mod destination;
mod digest;
mod encryption;
mod file;
mod firewall;
mod growth;
mod inventory;
mod manifests;
mod modules;
mod mutant;
mod node;
mod node_pods;
mod secret;
mod span;
mod surroundings;
mod unread;
mod userland;
mod version;
mod way_class;

pub use bootstrap::{BootstrapFacts, DifferingFile, TokenFit};
pub use cluster::{Canary, ClusterFacts, DeprecatedApi, DnsService, KubeNode, Readiness, UpgradeTool, Workload};
pub use coordinator::{Coordinator, Life};
pub use copy_kind::CopyKind;
pub use destination::{Destination, DestinationError};
pub use digest::{Digest, DigestError, canonical_json};
pub use encryption::EncryptionFacts;
pub use file::{FORMAT, Facts, FactsError};
pub use firewall::FirewallFacts;
pub use growth::Growth;
pub use inventory::{
    AdmissionWebhook, CustomDefinition, DisruptionBudget, HelmRelease, HostPath, Inventory, InventoryKind,
    InventorySource, KindCount, LargeObject, LocalVolume, NamedApi, ObjectFacts, PlacedPod, ReleaseApis, Sample,
    SelectedLabel, ServiceBackend, StoredNode, TerminatingPod,
};
pub use manifests::{ManifestFolder, UnreadFile, WrittenApi, WrittenPlace};
pub use modules::ModuleFacts;
#[cfg(feature = "mutants")]
pub use mutant::mutate;
pub use mutant::{Mutant, mutated};
pub use node::{
    BinaryFacts, CertificateFacts, Cgroup, ConfigFacts, ConfigKey, DataLink, DatastoreFacts, DatastoreKind, DiskFacts,
    EtcdFacts, EtcdMember, HelperFacts, MemoryFacts, NodeFacts, NodeRole, ProcessFacts, UnitFacts,
};
pub use node_pods::{HeldLease, NodePod, NodePods, NodeVolume, PodPart};
pub use secret::Secret;
pub use span::Span;
pub use surroundings::{ContainerdTemplate, Manifest, RegistryMirror, SelinuxLabels, Surroundings, Sysctl};
pub use unread::Unread;
pub use userland::UserlandFacts;
pub use version::{K3sVersion, Pre, VersionError};
pub use way_class::WayClass;
