use belay_facts::Workload;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};

use crate::{Api, ClusterError};

impl Api {
    /// Every Deployment, StatefulSet and DaemonSet with the replicas that it wants and has ready; sorted by kind,
    /// namespace and name.
    pub async fn workloads(&self) -> Result<Vec<Workload>, ClusterError> {
        let mut found = Vec::new();
        let deployments = kube::Api::<Deployment>::all(self.client.clone());
        for deployment in self.list("listing the Deployments", &deployments).await? {
            let desired = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas);
            found.push(workload("Deployment", &deployment, desired.unwrap_or(1), ready));
        }
        let stateful_sets = kube::Api::<StatefulSet>::all(self.client.clone());
        for set in self.list("listing the StatefulSets", &stateful_sets).await? {
            let desired = set.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = set.status.as_ref().and_then(|status| status.ready_replicas);
            found.push(workload("StatefulSet", &set, desired.unwrap_or(1), ready));
        }
        let daemon_sets = kube::Api::<DaemonSet>::all(self.client.clone());
        for set in self.list("listing the DaemonSets", &daemon_sets).await? {
            let desired = set.status.as_ref().map_or(0, |status| status.desired_number_scheduled);
            let ready = set.status.as_ref().map(|status| status.number_ready);
            found.push(workload("DaemonSet", &set, desired, ready));
        }
        found.sort();
        Ok(found)
    }
}

fn workload(kind: &str, object: &impl kube::ResourceExt, desired: i32, ready: Option<i32>) -> Workload {
    Workload {
        kind: kind.to_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        desired: u32::try_from(desired).unwrap_or(0),
        ready: ready.and_then(|ready| u32::try_from(ready).ok()).unwrap_or(0),
    }
}
