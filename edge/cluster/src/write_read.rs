use std::time::Instant;

use belay_facts::Span;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde::{Deserialize, Serialize};

use crate::{Api, ClusterError};

/// A write, its read and its deletion, as far as they went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRead {
    /// The revision of the write.
    pub revision: u64,
    /// The same object with the same content came back.
    pub read_back: bool,
    /// It was deleted and is not found any more.
    pub gone: bool,
    pub took: Span,
}

/// The object of the write; one for each run.
pub(crate) fn name(run: &str) -> String {
    format!("belay-{run}-gate")
}

impl Api {
    /// Creates the ConfigMap `kube-system/belay-<run>-gate`, reads it back from the datastore (a get without
    /// `resourceVersion`) and deletes it. What an earlier try left is deleted first; what this one wrote is deleted
    /// whatever the read says.
    pub async fn write_and_read(&self, run: &str) -> Result<WriteRead, ClusterError> {
        let name = name(run);
        let since = Instant::now();
        let maps = kube::Api::<ConfigMap>::namespaced(self.client.clone(), "kube-system");
        self.delete_write(&maps, &name, None).await?;
        let written = self.write(&maps, run, &name).await?;
        let read = self.ask(&format!("reading the ConfigMap kube-system/{name} back"), maps.get(&name)).await;
        let deleted = self.delete_write(&maps, &name, written.metadata.uid.clone()).await;
        let read = read?;
        deleted?;
        let asking = format!("looking whether the ConfigMap kube-system/{name} is gone");
        let gone = self.ask_for(&asking, maps.get(&name)).await?.is_none();
        Ok(WriteRead {
            revision: written.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
            read_back: read.data == written.data && read.metadata.uid == written.metadata.uid,
            gone,
            took: since.elapsed().into(),
        })
    }

    async fn write(&self, maps: &kube::Api<ConfigMap>, run: &str, name: &str) -> Result<ConfigMap, ClusterError> {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "belay".to_owned())].into());
        // The moment makes each write another one, so that a stale read cannot pass for it.
        let written = [("run".to_owned(), run.to_owned()), ("written".to_owned(), Timestamp::now().to_string())];
        map.data = Some(written.into());
        let asking = format!("creating the ConfigMap kube-system/{name}");
        self.ask(&asking, maps.create(&PostParams::default(), &map)).await
    }

    /// Whether there was one. With a `uid`, only that object is deleted.
    pub(crate) async fn delete_write(
        &self,
        maps: &kube::Api<ConfigMap>,
        name: &str,
        uid: Option<String>,
    ) -> Result<bool, ClusterError> {
        let how = match uid {
            Some(uid) => {
                DeleteParams::background().preconditions(Preconditions { uid: Some(uid), resource_version: None })
            }
            None => DeleteParams::background(),
        };
        let asking = format!("deleting the ConfigMap kube-system/{name}");
        Ok(self.ask_for(&asking, maps.delete(name, &how)).await?.is_some())
    }
}
