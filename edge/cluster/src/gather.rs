use belay_facts::{ClusterFacts, Digest, DnsService, K3sVersion, KubeNode};
use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;

use crate::{Api, ClusterError, canary_image, deprecated, node, upgrade_tools};

/// `/metrics` of a busy apiserver is some megabytes.
const METRICS_LONGEST: usize = 128 * 1024 * 1024;

/// The facts of a cluster, and why those that are missing are missing.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub facts: ClusterFacts,
    /// One sentence for each fact that could not be read.
    pub notes: Vec<String>,
}

impl Api {
    /// What is true in the cluster, seen from `node`. `server_ca` is the text of `server/tls/server-ca.crt`,
    /// `cluster_domain` what the config says (`cluster.local` unless it says otherwise).
    ///
    /// # Errors
    /// Without the cluster's identity and its nodes there are no facts. Everything else that could not be read is
    /// `None`, with a note.
    pub async fn facts(&self, node: &str, server_ca: &str, cluster_domain: &str) -> Result<Gathered, ClusterError> {
        // All at once: for a consistent list the API server waits until its cache has caught up, up to a second on K3s, and
        // one wait serves them all.
        let (id, nodes, workloads, version, readiness, dns, deprecated, plans, password, pods) = tokio::join!(
            self.cluster_id(),
            self.nodes(),
            self.workloads(),
            self.version(),
            self.readyz(),
            self.dns(cluster_domain),
            self.deprecated_apis(),
            self.upgrade_plans(),
            self.keeps_password(node),
            self.node_pods(node),
        );
        let (id, nodes) = (id?, nodes?);
        let mut notes = Vec::new();
        let workloads = noted(&mut notes, workloads);
        let plans = noted(&mut notes, plans);
        let upgrade_tools = match (&workloads, plans) {
            (Some(workloads), Some(plans)) => Some(upgrade_tools::found(&nodes, workloads, &plans)),
            _ => None,
        };
        let password = noted(&mut notes, password);
        let mut kube_nodes: Vec<KubeNode> = nodes.iter().map(node::facts_of).collect();
        kube_nodes.iter_mut().filter(|kube| kube.name == node).for_each(|kube| kube.password = password);
        let canary = nodes.iter().find(|n| n.metadata.name.as_deref() == Some(node)).and_then(canary_image::choose);
        let facts = ClusterFacts {
            id,
            ca: Digest::of(server_ca.as_bytes()),
            version: noted(&mut notes, version).flatten(),
            readiness: noted(&mut notes, readiness),
            nodes: kube_nodes,
            workloads,
            dns: noted(&mut notes, dns).flatten(),
            canary,
            deprecated_apis: noted(&mut notes, deprecated),
            upgrade_tools,
            pods: noted(&mut notes, pods).map(|(pods, more)| {
                notes.extend(more);
                pods
            }),
        };
        Ok(Gathered { facts, notes })
    }

    async fn version(&self) -> Result<Option<K3sVersion>, ClusterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Info {
            git_version: String,
        }
        let asking = "asking /version";
        let text = self.text(asking, "/version", 64 * 1024).await?;
        let info: Info = serde_json::from_str(&text)
            .map_err(|e| ClusterError::Unreadable { asking: asking.to_owned(), why: e.to_string() })?;
        Ok(info.git_version.parse().ok())
    }

    async fn dns(&self, domain: &str) -> Result<Option<DnsService>, ClusterError> {
        let services = kube::Api::<Service>::namespaced(self.client.clone(), "kube-system");
        let service = self.ask_for("reading the service kube-system/kube-dns", services.get("kube-dns")).await?;
        let address = service.and_then(|service| service.spec).and_then(|spec| spec.cluster_ip);
        let address = address.filter(|address| !address.is_empty() && address != "None");
        Ok(address.map(|address| DnsService { address, domain: domain.to_owned() }))
    }

    async fn deprecated_apis(&self) -> Result<Vec<belay_facts::DeprecatedApi>, ClusterError> {
        Ok(deprecated::parse(&self.text("asking /metrics", "/metrics", METRICS_LONGEST).await?))
    }

    async fn text(&self, asking: &str, path: &str, longest: usize) -> Result<String, ClusterError> {
        let (status, text) = self.get(asking, path, longest).await?;
        if status.is_success() { Ok(text) } else { Err(ClusterError::of_status(asking, status.as_u16(), &text)) }
    }
}

fn noted<T>(notes: &mut Vec<String>, answer: Result<T, ClusterError>) -> Option<T> {
    answer.map_err(|error| notes.push(error.to_string())).ok()
}
