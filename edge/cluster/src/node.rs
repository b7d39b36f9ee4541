use belay_facts::KubeNode;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Secret};
use serde::{Deserialize, Serialize};

use crate::read::password_secret;
use crate::{Api, ClusterError, Read};

/// K3s `pkg/secretsencrypt`.
const ENCRYPTION: &str = "k3s.io/encryption-config-hash";
const ROLE: &str = "node-role.kubernetes.io/";

/// The Node's Ready condition, word for word. It proves little on its own: it stays true for about 40 s after the
/// kubelet is gone (k3s-facts §9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReady {
    pub ready: bool,
    pub reason: String,
    pub message: String,
    /// Both by the kubelet's clock or, after the kubelet is lost, the controller's.
    pub heartbeat: Option<Timestamp>,
    pub transition: Option<Timestamp>,
}

impl Api {
    /// When this node's kubelet last renewed its lease in `kube-node-lease`, by the node's clock; `None`: there is no
    /// lease, or it was never renewed.
    pub async fn lease_renewed(&self, node: &str) -> Result<Option<Timestamp>, ClusterError> {
        let asking = format!("reading the lease of node {node}");
        let leases = kube::Api::<Lease>::namespaced(self.client.clone(), "kube-node-lease");
        let lease = self.ask_for(&asking, leases.get(node)).await?;
        Ok(lease.and_then(|lease| lease.spec).and_then(|spec| spec.renew_time).map(|time| time.0))
    }

    /// The kubelet's version as it last reported it, such as `v1.36.1+k3s1`; `None`: it has not reported.
    pub async fn kubelet_version(&self, node: &str) -> Result<Option<String>, ClusterError> {
        let version =
            self.node(node).await?.status.and_then(|status| status.node_info).map(|info| info.kubelet_version);
        Ok(version.filter(|version| !version.is_empty()))
    }

    pub async fn node_ready(&self, node: &str) -> Result<NodeReady, ClusterError> {
        let node = self.node(node).await?;
        let condition = conditions(&node).find(|condition| condition.type_ == "Ready").cloned();
        Ok(condition.map_or_else(
            || NodeReady {
                ready: false,
                reason: String::new(),
                message: "the node has no Ready condition".to_owned(),
                heartbeat: None,
                transition: None,
            },
            |condition| NodeReady {
                ready: condition.status == "True",
                reason: condition.reason.unwrap_or_default(),
                message: condition.message.unwrap_or_default(),
                heartbeat: condition.last_heartbeat_time.map(|time| time.0),
                transition: condition.last_transition_time.map(|time| time.0),
            },
        ))
    }

    /// What the node's kubelet lacks, such as `DiskPressure`: it evicts pods and takes no new ones.
    pub async fn node_pressure(&self, node: &str) -> Result<Vec<String>, ClusterError> {
        Ok(facts_of(&self.node(node).await?).pressure)
    }

    /// Whether the cluster keeps a hash of this node's password (K3s `pkg/nodepassword`). Only that the secret is there is read.
    pub(crate) async fn keeps_password(&self, node: &str) -> Result<bool, ClusterError> {
        let secrets = kube::Api::<Secret>::namespaced(self.client.clone(), "kube-system");
        let (read, name) = (Read::NodePassword, password_secret(node));
        let asked = self.ask_for(read.asking(), secrets.get_metadata(&name)).await;
        Ok(asked.map_err(|error| error.lacking(&read.right(node)))?.is_some())
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        let mut nodes = self.list_cached(Read::Nodes, &kube::Api::<Node>::all(self.client.clone())).await?;
        nodes.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Ok(nodes)
    }

    async fn node(&self, name: &str) -> Result<Node, ClusterError> {
        let asking = format!("reading the node {name}");
        self.ask(&asking, kube::Api::<Node>::all(self.client.clone()).get(name)).await
    }
}

pub(crate) fn facts_of(node: &Node) -> KubeNode {
    let labels = node.metadata.labels.iter().flatten();
    let roles = labels.filter_map(|(label, _)| label.strip_prefix(ROLE)).map(str::to_owned).collect();
    let true_conditions = || conditions(node).filter(|condition| condition.status == "True");
    let mut pressure: Vec<String> =
        true_conditions().map(|c| c.type_.clone()).filter(|kind| kind.ends_with("Pressure")).collect();
    pressure.sort();
    let annotations = node.metadata.annotations.as_ref();
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    KubeNode {
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        roles,
        kubelet: info.map(|info| info.kubelet_version.clone()).unwrap_or_default(),
        runtime: info.map(|info| info.container_runtime_version.clone()).unwrap_or_default(),
        encryption: Some(annotations.and_then(|all| all.get(ENCRYPTION)).cloned().unwrap_or_default()),
        ready: true_conditions().any(|condition| condition.type_ == "Ready"),
        unschedulable: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        pressure,
        password: None,
        certificates: None,
    }
}

fn conditions(node: &Node) -> impl Iterator<Item = &NodeCondition> {
    node.status.iter().filter_map(|status| status.conditions.as_ref()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_roles_pressure_and_readiness() {
        let node: Node = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "n1", "uid": "u1", "annotations": { "k3s.io/encryption-config-hash": "start-ab12" }, "labels": {
                "node-role.kubernetes.io/etcd": "true", "node-role.kubernetes.io/control-plane": "true", "kubernetes.io/os": "linux",
            } },
            "spec": { "unschedulable": true },
            "status": {
                "nodeInfo": { "kubeletVersion": "v1.36.1+k3s1", "architecture": "", "bootID": "", "containerRuntimeVersion": "containerd://2.2.0-k3s1",
                    "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "" },
                "conditions": [
                    { "type": "PIDPressure", "status": "True" }, { "type": "MemoryPressure", "status": "False" },
                    { "type": "DiskPressure", "status": "True" }, { "type": "Ready", "status": "Unknown" },
                ],
            },
        }))
        .unwrap();
        let expected = KubeNode {
            name: "n1".into(),
            uid: "u1".into(),
            roles: vec!["control-plane".into(), "etcd".into()],
            kubelet: "v1.36.1+k3s1".into(),
            runtime: "containerd://2.2.0-k3s1".into(),
            encryption: Some("start-ab12".into()),
            ready: false,
            unschedulable: true,
            pressure: vec!["DiskPressure".into(), "PIDPressure".into()],
            password: None,
            certificates: None,
        };
        assert_eq!(facts_of(&node), expected);
    }
}
