use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use serde::Deserialize;

use crate::{Api, ClusterError};

/// A list that is always there, small, and read consistently: its `resourceVersion` is the datastore's revision now.
pub(crate) const LIST: &str = "/api/v1/namespaces?limit=1";

impl Api {
    /// The datastore's revision, as a client sees it (invariant I11: it never runs backwards for anybody).
    pub async fn revision(&self) -> Result<u64, ClusterError> {
        let asking = "reading the datastore's revision";
        let namespaces = kube::Api::<Namespace>::all(self.client.clone());
        let list = self.ask(asking, namespaces.list(&ListParams::default().limit(1))).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        version.parse().map_err(|_| ClusterError::Unreadable {
            asking: asking.to_owned(),
            why: format!("`{version}` is not a revision"),
        })
    }
}

/// The revision in the JSON of a list.
pub(crate) fn of_list(json: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct List {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
    }
    serde_json::from_slice::<List>(json).ok()?.metadata.resource_version.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_the_revision_of_a_list_only() {
        let list = br#"{"kind":"NamespaceList","metadata":{"resourceVersion":"1423","continue":"x"},"items":[]}"#;
        assert_eq!(super::of_list(list), Some(1423));
        assert_eq!(super::of_list(br#"{"kind":"Status","metadata":{},"code":503}"#), None);
        assert_eq!(super::of_list(b"<html>"), None);
    }
}
