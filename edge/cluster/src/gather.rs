use belay_facts::{ClusterFacts, Digest, DnsService, K3sVersion, KubeNode, Unread};
use k8s_openapi::api::core::v1::{Node, Service};
use serde::Deserialize;

use crate::served::served;
use crate::{Api, ClusterError, Read, Served, canary_image, deprecated, node, upgrade_tools};

/// `/metrics` of a busy apiserver is some megabytes.
const METRICS_LONGEST: usize = 128 * 1024 * 1024;

/// The facts of a cluster, and why those that are missing are missing.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub facts: ClusterFacts,
    /// Facts that could not be read, as rules name them.
    pub unread: Vec<Unread>,
    /// One sentence for each read that failed.
    pub notes: Vec<String>,
    /// Of other nodes than the one that is looked at, whose files tell.
    pub served: Vec<Served>,
}

impl Api {
    /// What is true in the cluster, seen from `node`. `server_ca` is the text of `server/tls/server-ca.crt`,
    /// `cluster_domain` what the config says (`cluster.local` unless it says otherwise).
    ///
    /// # Errors
    /// When the cluster's identity or its nodes could not be read, unless the API does not let them be read. Everything else that
    /// could not be read is missing, with a note.
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
        let mut missing = Missing::default();
        let id = missing.unless_denied("cluster.id", id)?;
        let nodes = missing.unless_denied("cluster.nodes", nodes)?;
        let workloads = missing.or_none("cluster.workloads", workloads);
        let plans = missing.or_none("cluster.upgrade_tools", plans);
        let upgrade_tools = match (&nodes, &workloads, plans) {
            (Some(nodes), Some(workloads), Some(plans)) => Some(upgrade_tools::found(nodes, workloads, &plans)),
            _ => {
                missing.as_well("cluster.upgrade_tools", &["cluster.nodes", "cluster.workloads"]);
                None
            }
        };
        let nodes = nodes.unwrap_or_default();
        let others: Vec<&Node> = nodes.iter().filter(|one| one.metadata.name.as_deref() != Some(node)).collect();
        let shown = served(&others, server_ca).await;
        let served = missing.or_none("cluster.nodes.certificates", shown).unwrap_or_default();
        let password = missing.or_none("cluster.nodes.password", password);
        let mut kube_nodes: Vec<KubeNode> = nodes.iter().map(node::facts_of).collect();
        kube_nodes.iter_mut().filter(|kube| kube.name == node).for_each(|kube| kube.password = password);
        let canary = nodes.iter().find(|n| n.metadata.name.as_deref() == Some(node)).and_then(canary_image::choose);
        let facts = ClusterFacts {
            id: id.unwrap_or_default(),
            ca: Digest::of(server_ca.as_bytes()),
            version: missing.or_none("cluster.version", version).flatten(),
            readiness: missing.or_none("cluster.readiness", readiness),
            nodes: kube_nodes,
            workloads,
            dns: missing.or_none("cluster.dns", dns).flatten(),
            canary,
            deprecated_apis: missing.or_none("cluster.deprecated_apis", deprecated),
            upgrade_tools,
            pods: missing.or_none("cluster.pods", pods).map(|(pods, more)| {
                missing.notes.extend(more);
                pods
            }),
        };
        Ok(Gathered { facts, unread: missing.unread, notes: missing.notes, served })
    }

    async fn version(&self) -> Result<Option<K3sVersion>, ClusterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Info {
            git_version: String,
        }
        let text = self.text(Read::Version, "/version", 64 * 1024).await?;
        let unreadable = |why: String| ClusterError::Unreadable { asking: Read::Version.asking().to_owned(), why };
        let info: Info = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        Ok(info.git_version.parse().ok())
    }

    async fn dns(&self, domain: &str) -> Result<Option<DnsService>, ClusterError> {
        let read = Read::DnsService;
        let services = kube::Api::<Service>::namespaced(self.client.clone(), "kube-system");
        let service = self.ask_for(read.asking(), services.get("kube-dns")).await;
        let service = service.map_err(|error| error.lacking(&read.right("")))?;
        let address = service.and_then(|service| service.spec).and_then(|spec| spec.cluster_ip);
        let address = address.filter(|address| !address.is_empty() && address != "None");
        Ok(address.map(|address| DnsService { address, domain: domain.to_owned() }))
    }

    async fn deprecated_apis(&self) -> Result<Vec<belay_facts::DeprecatedApi>, ClusterError> {
        Ok(deprecated::parse(&self.text(Read::Metrics, "/metrics", METRICS_LONGEST).await?))
    }

    async fn text(&self, read: Read, path: &str, longest: usize) -> Result<String, ClusterError> {
        let (status, text) = self.get(read.asking(), path, longest).await?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(ClusterError::of_status(read.asking(), status.as_u16(), &text).lacking(&read.right("")))
        }
    }
}

/// What could not be read, and why.
#[derive(Default)]
struct Missing {
    unread: Vec<Unread>,
    notes: Vec<String>,
}

impl Missing {
    fn or_none<T>(&mut self, fact: &str, answer: Result<T, ClusterError>) -> Option<T> {
        answer.map_err(|error| self.note(fact, &error)).ok()
    }

    /// Any other error than a denial says that there is no API here to take facts from.
    fn unless_denied<T>(&mut self, fact: &str, answer: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
        match answer {
            Err(error) if !error.is_denied() => Err(error),
            answer => Ok(self.or_none(fact, answer)),
        }
    }

    /// `fact` is missing because one of `others` is.
    fn as_well(&mut self, fact: &str, others: &[&str]) {
        let because: Vec<Unread> =
            self.unread.iter().filter(|one| others.contains(&one.fact.as_str())).cloned().collect();
        self.unread.extend(because.into_iter().map(|one| Unread { fact: fact.to_owned(), ..one }));
    }

    fn note(&mut self, fact: &str, error: &ClusterError) {
        self.unread.push(Unread::new(fact, error.to_string(), error.hint()));
        self.notes.push(error.to_string());
    }
}
