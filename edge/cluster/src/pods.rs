use std::collections::BTreeMap;

use belay_facts::{DisruptionBudget, HeldLease, NodePod, NodePods, NodeVolume, PodPart};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PersistentVolume, Pod, Volume};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::core::{Selector, SelectorExt as _};

use crate::{Api, ClusterError, Read};

/// What the kubelet writes on a pod that it made from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";
const TEMPLATE_HASH: &str = "pod-template-hash";

impl Api {
    /// What runs on `node` and what holds it there, with a sentence for each part that could not be read. Four lists at
    /// once, all from the API server's cache; of pods only those of the node, for which its cache has an index.
    ///
    /// # Errors
    /// When the pods could not be listed.
    pub(crate) async fn node_pods(&self, node: &str) -> Result<(NodePods, Vec<String>), ClusterError> {
        let client = || self.client.clone();
        let (pods, volumes) = (kube::Api::<Pod>::all(client()), kube::Api::all(client()));
        let (budgets, leases) = (kube::Api::all(client()), kube::Api::all(client()));
        let here = ListParams::default().match_any().fields(&format!("spec.nodeName={node}"));
        let (pods, volumes, budgets, leases) = tokio::join!(
            self.pages(Read::Pods, &pods, &here),
            self.list_cached(Read::PersistentVolumes, &volumes),
            self.list_cached(Read::DisruptionBudgets, &budgets),
            self.list_cached(Read::Leases, &leases),
        );
        let mut missing = Missing::default();
        let beside = Beside {
            volumes: missing.or_none(PodPart::Volumes, volumes),
            budgets: missing.or_none(PodPart::Budgets, budgets),
            leases: missing.or_none(PodPart::Leases, leases),
        };
        let mut told = beside.told(node, &pods?);
        told.unread = missing.parts;
        Ok((told, missing.notes))
    }
}

/// What could not be read, and why.
#[derive(Default)]
struct Missing {
    parts: Vec<PodPart>,
    notes: Vec<String>,
}

impl Missing {
    fn or_none<T>(&mut self, part: PodPart, list: Result<Vec<T>, ClusterError>) -> Vec<T> {
        list.unwrap_or_else(|error| {
            self.parts.push(part);
            self.notes.push(error.to_string());
            Vec::new()
        })
    }
}

/// What is read beside the pods.
struct Beside {
    volumes: Vec<PersistentVolume>,
    budgets: Vec<PodDisruptionBudget>,
    leases: Vec<Lease>,
}

impl Beside {
    fn told(&self, node: &str, pods: &[Pod]) -> NodePods {
        let bound: BTreeMap<(&str, &str), NodeVolume> = self.volumes.iter().filter_map(bound_volume).collect();
        let mut blocking_budgets = Vec::new();
        let living: Vec<&Pod> = pods.iter().filter(|pod| lives(pod)).collect();
        let mut told: Vec<NodePod> = living.iter().map(|pod| of_pod(pod, &bound)).collect();
        for budget in &self.budgets {
            let mut is_here = false;
            for (one, _) in told.iter_mut().zip(&living).filter(|(_, pod)| selects(budget, pod)) {
                one.budgets.push(budget.name_any());
                is_here = true;
            }
            blocking_budgets.extend(blocking(budget).filter(|_| is_here));
        }
        for lease in &self.leases {
            hold(&mut told, lease);
        }
        told.sort();
        blocking_budgets.sort();
        NodePods { node: node.to_owned(), pods: told, blocking_budgets, unread: Vec::new() }
    }
}

/// Gives a lease to the pod that holds it. Its identity begins with the host's name, which is a pod's own name unless
/// it has the node's network; where two pods have that name, it is the one of the lease's namespace.
fn hold(told: &mut [NodePod], lease: &Lease) {
    let Some(spec) = &lease.spec else { return };
    let Some(holder) = spec.holder_identity.as_deref().and_then(|id| id.split('_').next()) else { return };
    let (namespace, seconds) = (lease.namespace().unwrap_or_default(), spec.lease_duration_seconds);
    let several = told.iter().filter(|pod| pod.name == holder).count() > 1;
    let mut named = told.iter_mut().filter(|pod| pod.name == holder);
    if let Some(pod) = named.find(|pod| !several || pod.namespace == namespace) {
        let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(0);
        pod.leases.push(HeldLease { lease: format!("{namespace}/{}", lease.name_any()), seconds });
    }
}

/// One that has ended is nothing that an upgrade could disturb.
fn lives(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn of_pod(pod: &Pod, bound: &BTreeMap<(&str, &str), NodeVolume>) -> NodePod {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let conditions = pod.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    let ready = conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True");
    let volumes = || pod.spec.iter().filter_map(|spec| spec.volumes.as_ref()).flatten();
    let on_disk =
        |volume: &&Volume| volume.empty_dir.as_ref().is_some_and(|dir| dir.medium.as_deref() != Some("Memory"));
    let claimed = |volume: &Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => Some(claim.claim_name.clone()),
        (None, Some(_)) => Some(format!("{name}-{}", volume.name)),
        (None, None) => None,
    };
    let containers = pod.status.iter().filter_map(|status| status.container_statuses.as_ref()).flatten();
    let is_static = pod.annotations().contains_key(MIRROR);
    NodePod {
        uid: pod.uid().unwrap_or_default(),
        restarts: containers.map(|one| u32::try_from(one.restart_count).unwrap_or(0)).fold(0, u32::saturating_add),
        owner: if is_static { None } else { owner(pod) },
        ready,
        is_static,
        host_paths: volumes().filter_map(|volume| Some(volume.host_path.as_ref()?.path.clone())).collect(),
        empty_dirs: volumes().filter(on_disk).map(|volume| volume.name.clone()).collect(),
        node_volumes: volumes()
            .filter_map(claimed)
            .filter_map(|claim| bound.get(&(namespace.as_str(), claim.as_str())).cloned())
            .collect(),
        budgets: Vec::new(),
        leases: Vec::new(),
        namespace,
        name,
    }
}

/// `Deployment web` of a pod of its ReplicaSet, as `core/objects` names it.
fn owner(pod: &Pod) -> Option<String> {
    let owners = pod.owner_references();
    let owner = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first())?;
    let hash = pod.labels().get(TEMPLATE_HASH).filter(|_| owner.kind == "ReplicaSet");
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    Some(match deployment {
        Some(name) => format!("Deployment {name}"),
        None => format!("{} {}", owner.kind, owner.name),
    })
}

/// A claimed volume that only certain nodes have: by its affinity, whatever driver it is of, or by its kind.
fn bound_volume(volume: &PersistentVolume) -> Option<((&str, &str), NodeVolume)> {
    let spec = volume.spec.as_ref()?;
    let path = match (&spec.local, &spec.host_path) {
        (Some(local), _) => Some(&local.path),
        (None, Some(host)) => Some(&host.path),
        (None, None) => None,
    };
    let required = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    if path.is_none() && required.is_none() {
        return None;
    }
    let reference = spec.claim_ref.as_ref()?;
    let (namespace, claim) = (reference.namespace.as_deref()?, reference.name.as_deref()?);
    let told =
        NodeVolume { claim: claim.to_owned(), volume: volume.name_any(), path: path.cloned().unwrap_or_default() };
    Some(((namespace, claim), told))
}

/// A budget without a selector selects nothing, an empty one everything of its namespace; one that cannot be read is taken
/// to select, since what is said of it is a warning.
fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let Some(selector) = budget.spec.as_ref().and_then(|spec| spec.selector.clone()) else { return false };
    let selector: Option<Selector> = selector.try_into().ok();
    budget.namespace() == pod.namespace() && selector.is_none_or(|selector| selector.matches(pod.labels()))
}

/// The budget, if it allows no disruption now.
fn blocking(budget: &PodDisruptionBudget) -> Option<DisruptionBudget> {
    let number = |n: Option<i32>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let asked = budget.spec.as_ref().and_then(|spec| {
        let text = |value: &IntOrString| match value {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        let least = spec.min_available.as_ref().map(|value| format!("minAvailable {}", text(value)));
        least.or_else(|| spec.max_unavailable.as_ref().map(|value| format!("maxUnavailable {}", text(value))))
    });
    let status = budget.status.as_ref().filter(|status| status.disruptions_allowed.unwrap_or(0) <= 0);
    status.map(|status| DisruptionBudget {
        namespace: budget.namespace().unwrap_or_default(),
        name: budget.name_any(),
        asks: asked.unwrap_or_default(),
        healthy: number(status.current_healthy),
        expected: number(status.expected_pods),
    })
}

#[cfg(test)]
mod tests;
