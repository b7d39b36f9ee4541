use std::collections::BTreeMap;

use belay_facts::{DisruptionBudget, Facts, HeldLease, NodePod, NodePods};

use super::fate::Judge;
use crate::{Hold, WorkloadPreview};

/// What runs on the node, one entry for what makes the pods again, or for a pod that nothing makes again.
pub(super) fn workloads(pods: &NodePods, facts: &Facts, judge: &Judge<'_>) -> Vec<WorkloadPreview> {
    let mut groups: BTreeMap<String, Vec<&NodePod>> = BTreeMap::new();
    for pod in &pods.pods {
        groups.entry(named(pod)).or_default().push(pod);
    }
    let told = groups.into_iter().map(|(workload, pods_of_it)| {
        let elsewhere = elsewhere(&workload, &pods_of_it, facts);
        let leases: Vec<&HeldLease> = pods_of_it.iter().flat_map(|pod| &pod.leases).collect();
        let (fate, why) = judge.judge(&workload, &leases);
        let holds = holds(&workload, &pods_of_it, &pods.blocking_budgets, elsewhere);
        let pods = u64::try_from(pods_of_it.len()).ok();
        WorkloadPreview { workload, pods, elsewhere, fate, why, holds }
    });
    told.collect()
}

fn named(pod: &NodePod) -> String {
    let NodePod { namespace, name, .. } = pod;
    match pod.owner.as_deref().and_then(|owner| owner.split_once(' ')) {
        Some((kind, owner)) => format!("{kind} {namespace}/{owner}"),
        None => format!("Pod {namespace}/{name}"),
    }
}

/// Ready replicas on other nodes: on the only node none, of a Deployment or StatefulSet those that are not here.
fn elsewhere(workload: &str, pods: &[&NodePod], facts: &Facts) -> Option<u32> {
    let cluster = facts.cluster.as_ref()?;
    let ready_here = u32::try_from(pods.iter().filter(|pod| pod.ready).count()).unwrap_or(u32::MAX);
    let is_it = |one: &&belay_facts::Workload| {
        one.kind != "DaemonSet" && format!("{} {}/{}", one.kind, one.namespace, one.name) == workload
    };
    match cluster.workloads.iter().flatten().find(is_it) {
        _ if cluster.nodes.len() == 1 => Some(0),
        Some(known) => Some(known.ready.saturating_sub(ready_here)),
        None => None,
    }
}

fn holds(workload: &str, pods: &[&NodePod], blocking: &[DisruptionBudget], elsewhere: Option<u32>) -> Vec<Hold> {
    // It goes and comes with its node, whatever it mounts.
    if workload.starts_with("DaemonSet ") || pods.iter().all(|pod| pod.is_static) {
        return vec![Hold::Node];
    }
    let mut holds = Vec::new();
    if workload.starts_with("Pod ") {
        holds.push(Hold::NothingMakesItAgain);
    } else if elsewhere == Some(0) {
        holds.push(Hold::NoOtherReplica);
    }
    for pod in pods {
        for volume in pod.node_volumes.iter().cloned() {
            let belay_facts::NodeVolume { claim, volume, path } = volume;
            holds.push(Hold::Volume { claim, volume, path });
        }
        holds.extend(pod.host_paths.iter().map(|path| Hold::HostPath { path: path.clone() }));
        holds.extend(pod.empty_dirs.iter().map(|name| Hold::EmptyDir { name: name.clone() }));
        let is_his =
            |budget: &&DisruptionBudget| budget.namespace == pod.namespace && pod.budgets.contains(&budget.name);
        holds.extend(blocking.iter().filter(is_his).map(budget));
        if pod.budgets.len() > 1 {
            holds.push(Hold::SeveralBudgets { names: pod.budgets.clone() });
        }
    }
    holds.sort();
    holds.dedup();
    holds
}

pub(super) fn budget(budget: &DisruptionBudget) -> Hold {
    let DisruptionBudget { name, asks, healthy, expected, .. } = budget.clone();
    Hold::Budget { name, asks, healthy, expected }
}
