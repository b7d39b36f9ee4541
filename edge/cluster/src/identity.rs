use k8s_openapi::api::core::v1::Namespace;
use serde::{Deserialize, Serialize};

use crate::{Api, ClusterError, Read};

/// Whose data a server serves. Another UID is another cluster: an interrupted restore starts an empty one that is ready
/// and healthy in every other way (k3s-facts §9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// UID of the namespace `kube-system`.
    pub id: String,
    /// Names, sorted.
    pub nodes: Vec<String>,
}

impl Api {
    pub async fn identity(&self) -> Result<Identity, ClusterError> {
        let (id, nodes) = tokio::try_join!(self.cluster_id(), self.nodes())?;
        let nodes = nodes.into_iter().filter_map(|node| node.metadata.name).collect();
        Ok(Identity { id, nodes })
    }

    pub(crate) async fn cluster_id(&self) -> Result<String, ClusterError> {
        let read = Read::KubeSystem;
        let namespaces = kube::Api::<Namespace>::all(self.client.clone());
        let namespace = self.ask(read.asking(), namespaces.get("kube-system")).await;
        let namespace = namespace.map_err(|error| error.lacking(&read.right("")))?;
        let missing = || ClusterError::Unreadable { asking: read.asking().to_owned(), why: "it has no UID".to_owned() };
        namespace.metadata.uid.ok_or_else(missing)
    }
}
