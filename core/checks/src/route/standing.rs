use belay_facts::{DatastoreKind, Facts, K3sVersion};
use serde::Serialize;

use crate::Releases;

/// Where a ladder begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    pub tag: K3sVersion,
    /// `None` when it was not said; then it is judged as embedded etcd, which asks for the most.
    pub datastore: Option<DatastoreKind>,
    /// The etcd that runs, such as `3.5.21`; `None` when only the tables can say.
    pub etcd: Option<String>,
}

impl Standing {
    /// What the facts say; `None` when no K3s was found in them.
    #[must_use]
    pub fn of(facts: &Facts) -> Option<Self> {
        let tag = facts.nodes.iter().find_map(|node| node.binary.as_ref()?.version.clone());
        let datastore = facts.nodes.iter().find_map(|node| node.datastore.as_ref());
        Some(Self {
            tag: tag.or_else(|| facts.cluster.as_ref()?.version.clone())?,
            datastore: datastore.map(|datastore| datastore.kind),
            etcd: datastore.and_then(|datastore| datastore.etcd.as_ref()?.server.clone()),
        })
    }

    /// Whether the stepping of etcd counts.
    #[must_use]
    pub fn has_etcd(&self) -> bool {
        self.datastore.is_none_or(|kind| kind == DatastoreKind::Etcd)
    }

    /// The version of etcd: the tables' word, else what was found running. A binary that was replaced without a restart
    /// still runs the old one, which is another finding.
    #[must_use]
    pub fn etcd(&self, releases: &Releases) -> Option<String> {
        releases.look_up(&self.tag).etcd.or_else(|| self.etcd.clone())
    }
}
