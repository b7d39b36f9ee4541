use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

use crate::{Api, CanaryTime, ClusterError, canary_pod, write_read};

/// What was removed from the cluster, and why the rest was not looked for.
#[derive(Debug, Default)]
pub struct Cleaned {
    pub removed: Vec<String>,
    /// The first read or removal that failed; nothing was tried after it.
    pub stopped: Option<ClusterError>,
}

impl Api {
    /// Removes what this run may have left in the cluster after a crash or on a full disk, and says what it was.
    pub async fn cleanup(&self, run: &str) -> Cleaned {
        let mut cleaned = Cleaned::default();
        cleaned.stopped = self.clean(run, &mut cleaned.removed).await.err();
        cleaned
    }

    async fn clean(&self, run: &str, removed: &mut Vec<String>) -> Result<(), ClusterError> {
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
        self.remove_failed_snapshots(run, removed).await
    }

    /// K3s keeps an object for a snapshot that it could not write, for a day (`pkg/etcd/snapshot.go`, `errorTTL`), and its own
    /// command deletes none whose file is not there. Records of files that exist are left to K3s.
    async fn remove_failed_snapshots(&self, run: &str, removed: &mut Vec<String>) -> Result<(), ClusterError> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("k3s.cattle.io", "v1", "ETCDSnapshotFile"));
        let records = kube::Api::<DynamicObject>::all_with(self.client.clone(), &kind);
        // From the cache: over kine a consistent list waits up to a second (ADR 0015). No such kind is before K3s 1.28.
        let all = ListParams::default().match_any();
        let found = self.ask_for("listing the records of etcd's snapshots", records.list(&all)).await?;
        for record in found.into_iter().flatten().filter(|record| is_failed(record, run)) {
            let name = record.metadata.name.unwrap_or_default();
            let asking = format!("deleting the record {name} of a snapshot that failed");
            if self.ask_for(&asking, records.delete(&name, &DeleteParams::default())).await?.is_some() {
                removed.push(format!("ETCDSnapshotFile {name}"));
            }
        }
        Ok(())
    }
}

/// Whether this is K3s' record of a snapshot that the run asked for and that was not written.
fn is_failed(record: &DynamicObject, run: &str) -> bool {
    let asked = record.data.pointer("/spec/snapshotName").and_then(|name| name.as_str());
    let failed = record.data.pointer("/status/error").is_some_and(|error| !error.is_null());
    failed && asked.is_some_and(|name| name.starts_with(&format!("belay-{run}-")))
}
