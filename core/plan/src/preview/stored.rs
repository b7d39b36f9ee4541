use std::collections::BTreeMap;

use belay_facts::Inventory;

use super::fate::Judge;
use super::group::budget;
use crate::{Hold, WorkloadPreview};

/// What the objects of the datastore tell, where the API tells nothing: of the whole cluster, the first of each list, and
/// only what something holds.
pub(super) fn workloads(inventory: &Inventory, node: &str, judge: &Judge<'_>) -> Vec<WorkloadPreview> {
    let mut held: BTreeMap<String, Vec<Hold>> = BTreeMap::new();
    let mut hold = |workload: String, by: Hold| held.entry(workload).or_default().push(by);
    for workload in &inventory.single_replicas.first {
        hold(workload.clone(), Hold::NoOtherReplica);
    }
    for pod in inventory.bare_pods.first.iter().filter(|pod| pod.node == node) {
        hold(format!("Pod {}/{}", pod.namespace, pod.name), Hold::NothingMakesItAgain);
    }
    for mount in inventory.host_paths.first.iter().filter(|mount| !mount.owner.starts_with("DaemonSet ")) {
        hold(mount.owner.clone(), Hold::HostPath { path: mount.path.clone() });
    }
    for owner in inventory.empty_dirs.first.iter().filter(|owner| !owner.starts_with("DaemonSet ")) {
        hold(owner.clone(), Hold::EmptyDir { name: "emptyDir".to_owned() });
    }
    let is_here = |nodes: &[String]| nodes.is_empty() || nodes.iter().any(|one| one == node);
    for volume in
        inventory.local_volumes.first.iter().filter(|volume| !volume.claim.is_empty() && is_here(&volume.nodes))
    {
        let claim = volume.claim.rsplit('/').next().unwrap_or_default().to_owned();
        let by = Hold::Volume { claim, volume: volume.name.clone(), path: volume.path.clone() };
        hold(format!("PersistentVolumeClaim {}", volume.claim), by);
    }
    for one in &inventory.blocking_budgets.first {
        hold(format!("PodDisruptionBudget {}/{}", one.namespace, one.name), budget(one));
    }
    let told = held.into_iter().map(|(workload, mut holds)| {
        let (fate, why) = judge.judge(&workload, &[]);
        holds.sort();
        holds.dedup();
        WorkloadPreview { workload, pods: None, elsewhere: None, fate, why, holds }
    });
    told.collect()
}
