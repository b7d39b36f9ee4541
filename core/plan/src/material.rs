use belay_facts::{DatastoreKind, Digest, Facts, K3sVersion, NodeFacts};
use serde::{Deserialize, Serialize};

/// The facts that a plan stands on. While they hold, the plan is valid, however old it is (invariant I21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Material {
    pub cluster: String,
    pub ca: Digest,
    /// Names of all nodes of the cluster, sorted.
    pub nodes: Vec<String>,
    /// The nodes that the plan touches.
    pub touched: Vec<NodeMaterial>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeMaterial {
    pub name: String,
    pub version: K3sVersion,
    /// Resolved path of the binary, its digest.
    pub binary: String,
    pub binary_digest: Digest,
    pub unit: String,
    pub unit_digest: Digest,
    pub timeout_stop: belay_facts::Span,
    /// `None` when there is no configuration file.
    pub config_digest: Option<Digest>,
    pub data_dir: String,
    pub datastore: DatastoreKind,
}

/// One thing that is no longer as the plan saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub what: String,
    pub was: String,
    pub is: String,
}

impl Material {
    /// `None` when the facts lack something that a plan must stand on.
    pub fn of(facts: &Facts) -> Option<Self> {
        // Where these two could not be read, nothing says whose cluster it is.
        let cluster = facts.cluster.as_ref().filter(|cluster| !cluster.id.is_empty() && !cluster.nodes.is_empty())?;
        let touched = facts.nodes.iter().map(NodeMaterial::of).collect::<Option<Vec<_>>>()?;
        let mut nodes: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
        nodes.sort();
        Some(Self { cluster: cluster.id.clone(), ca: cluster.ca, nodes, touched })
    }

    /// Everything that differs, in sentences' parts: what, was, is.
    #[must_use]
    pub fn changed(&self, now: &Self) -> Vec<Changed> {
        let mut changes = Vec::new();
        let mut compare = |what: &str, was: String, is: String| {
            if was != is {
                changes.push(Changed { what: what.to_owned(), was, is });
            }
        };
        compare("the cluster (UID of kube-system)", self.cluster.clone(), now.cluster.clone());
        compare("the cluster's CA", self.ca.to_string(), now.ca.to_string());
        compare("the set of nodes", self.nodes.join(", "), now.nodes.join(", "));
        for was in &self.touched {
            let Some(is) = now.touched.iter().find(|node| node.name == was.name) else {
                compare(&format!("node {}", was.name), "there".to_owned(), "not reached".to_owned());
                continue;
            };
            let node = &was.name;
            let config = |digest: Option<Digest>| digest.map_or("none".to_owned(), |d| d.to_string());
            compare(&format!("the K3s version on {node}"), was.version.tag(), is.version.tag());
            compare(&format!("the binary's path on {node}"), was.binary.clone(), is.binary.clone());
            compare(&format!("the binary on {node}"), was.binary_digest.to_string(), is.binary_digest.to_string());
            compare(&format!("the unit on {node}"), was.unit.clone(), is.unit.clone());
            compare(&format!("the unit file on {node}"), was.unit_digest.to_string(), is.unit_digest.to_string());
            compare(
                &format!("the stop timeout of the unit on {node}"),
                was.timeout_stop.to_string(),
                is.timeout_stop.to_string(),
            );
            compare(&format!("the configuration on {node}"), config(was.config_digest), config(is.config_digest));
            compare(&format!("the data directory on {node}"), was.data_dir.clone(), is.data_dir.clone());
            compare(&format!("the datastore on {node}"), format!("{:?}", was.datastore), format!("{:?}", is.datastore));
        }
        changes
    }
}

impl NodeMaterial {
    fn of(node: &NodeFacts) -> Option<Self> {
        let (unit, binary, datastore) = (node.unit.as_ref()?, node.binary.as_ref()?, node.datastore.as_ref()?);
        Some(Self {
            name: node.name.clone(),
            version: binary.version.clone()?,
            binary: binary.resolved.clone(),
            binary_digest: binary.digest,
            unit: unit.name.clone(),
            unit_digest: unit.digest,
            timeout_stop: unit.timeout_stop,
            config_digest: node.config.digest,
            data_dir: node.data_dir.clone(),
            datastore: datastore.kind,
        })
    }
}
