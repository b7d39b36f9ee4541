use belay_facts::Workload;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};

use crate::{Api, ClusterError, Read};

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
            found.push(workload("Deployment", &deployment, desired.unwrap_or(1), ready));
        }
        for set in stateful_sets {
            let desired = set.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = set.status.as_ref().and_then(|status| status.ready_replicas);
            found.push(workload("StatefulSet", &set, desired.unwrap_or(1), ready));
        }
        for set in daemon_sets {
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
