use k8s_openapi::api::core::v1::ConfigMap;

use crate::{Api, CanaryTime, ClusterError, canary_pod, write_read};

impl Api {
    /// Removes what the gates of this run may have left in the cluster after a crash, and says what it was.
    pub async fn cleanup(&self, run: &str) -> Result<Vec<String>, ClusterError> {
        let mut removed = Vec::new();
        let maps = kube::Api::<ConfigMap>::namespaced(self.client.clone(), "kube-system");
        let map = write_read::name(run);
        if self.delete_write(&maps, &map, None).await? {
            removed.push(format!("ConfigMap kube-system/{map}"));
        }
        for when in CanaryTime::ALL {
            let pod = canary_pod::name((run, when));
            if self.remove_canary(&pod).await? {
                removed.push(format!("Pod kube-system/{pod}"));
            }
        }
        Ok(removed)
    }
}
