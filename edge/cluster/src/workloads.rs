use belay_facts::Workload;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::{Api, ClusterError, Read};

/// Where K3s puts its add-ons.
const ADD_ONS: &str = "kube-system";

impl Api {
    /// Every Deployment, StatefulSet and DaemonSet with the replicas that it wants and has ready; sorted by kind,
    /// namespace and name.
    pub async fn workloads(&self) -> Result<Vec<Workload>, ClusterError> {
        let mut found = Vec::new();
        let deployments = kube::Api::<Deployment>::all(self.client.clone());
        let stateful_sets = kube::Api::<StatefulSet>::all(self.client.clone());
        let daemon_sets = kube::Api::<DaemonSet>::all(self.client.clone());
        let (deployments, stateful_sets, daemon_sets) = tokio::try_join!(
            self.list_cached(Read::Deployments, &deployments),
            self.list_cached(Read::StatefulSets, &stateful_sets),
            self.list_cached(Read::DaemonSets, &daemon_sets),
        )?;
        for deployment in deployments {
            let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas);
            let pods = deployment.spec.as_ref().map(|spec| &spec.template);
            found.push(workload("Deployment", &deployment, desired.unwrap_or(1), ready, pods));
        }
        for set in stateful_sets {
            let desired = set.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = set.status.as_ref().and_then(|status| status.ready_replicas);
            let pods = set.spec.as_ref().map(|spec| &spec.template);
            found.push(workload("StatefulSet", &set, desired.unwrap_or(1), ready, pods));
        }
        for set in daemon_sets {
            let desired = set.status.as_ref().map_or(0, |status| status.desired_number_scheduled);
            let ready = set.status.as_ref().map(|status| status.number_ready);
            let pods = set.spec.as_ref().map(|spec| &spec.template);
            found.push(workload("DaemonSet", &set, desired, ready, pods));
        }
        found.sort();
        Ok(found)
    }
}

fn workload(
    kind: &str,
    object: &impl kube::ResourceExt,
    desired: i32,
    ready: Option<i32>,
    pods: Option<&PodTemplateSpec>,
) -> Workload {
    let namespace = object.namespace().unwrap_or_default();
    let pods = pods.filter(|_| namespace == ADD_ONS).and_then(|pods| pods.spec.as_ref());
    let containers = pods.into_iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    let mut images: Vec<String> = containers.filter_map(|container| container.image.clone()).collect();
    images.sort();
    images.dedup();
    Workload {
        kind: kind.to_owned(),
        namespace,
        name: object.name_any(),
        desired: u32::try_from(desired).unwrap_or(0),
        ready: ready.and_then(|ready| u32::try_from(ready).ok()).unwrap_or(0),
        images,
    }
}
