use crate::Right;

/// What a check asks of the API, and all of it: docs/rbac/belay-check.yaml grants these and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    Version,
    Readyz,
    Metrics,
    KubeSystem,
    Nodes,
    Pods,
    PersistentVolumes,
    DnsService,
    NodePassword,
    Deployments,
    StatefulSets,
    DaemonSets,
    DisruptionBudgets,
    Leases,
    UpgradePlanDefinition,
    UpgradePlans,
}

impl Read {
    pub const ALL: [Self; 16] = [
        Self::Version,
        Self::Readyz,
        Self::Metrics,
        Self::KubeSystem,
        Self::Nodes,
        Self::Pods,
        Self::PersistentVolumes,
        Self::DnsService,
        Self::NodePassword,
        Self::Deployments,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::DisruptionBudgets,
        Self::Leases,
        Self::UpgradePlanDefinition,
        Self::UpgradePlans,
    ];

    /// What is attempted, in the words of an error.
    pub(crate) const fn asking(self) -> &'static str {
        match self {
            Self::Version => "asking /version",
            Self::Readyz => "asking /readyz",
            Self::Metrics => "asking /metrics",
            Self::KubeSystem => "reading the namespace kube-system",
            Self::Nodes => "listing the nodes",
            Self::Pods => "listing the pods of the node",
            Self::PersistentVolumes => "listing the persistent volumes",
            Self::DnsService => "reading the service kube-system/kube-dns",
            Self::NodePassword => "asking whether there is a secret with the node's password",
            Self::Deployments => "listing the Deployments",
            Self::StatefulSets => "listing the StatefulSets",
            Self::DaemonSets => "listing the DaemonSets",
            Self::DisruptionBudgets => "listing the disruption budgets",
            Self::Leases => "listing the leases",
            Self::UpgradePlanDefinition => "reading the custom resource definition plans.upgrade.cattle.io",
            Self::UpgradePlans => "listing the Plans of the system-upgrade-controller",
        }
    }

    /// The right that it takes, for a check of `node`.
    #[must_use]
    pub fn right(self, node: &str) -> Right {
        let list = |group, resource| Right { verb: "list", group, resource, namespace: None, name: None };
        let get = |resource| Right { verb: "get", ..list("", resource) };
        let one = |resource, name: &str| Right { name: Some(name.to_owned()), ..get(resource) };
        let of_kube_system = |right| Right { namespace: Some("kube-system"), ..right };
        match self {
            Self::Version => get("/version"),
            Self::Readyz => get("/readyz"),
            Self::Metrics => get("/metrics"),
            Self::KubeSystem => one("namespaces", "kube-system"),
            Self::Nodes => list("", "nodes"),
            Self::Pods => list("", "pods"),
            Self::PersistentVolumes => list("", "persistentvolumes"),
            Self::DnsService => of_kube_system(one("services", "kube-dns")),
            Self::NodePassword => of_kube_system(one("secrets", &password_secret(node))),
            Self::Deployments => list("apps", "deployments"),
            Self::StatefulSets => list("apps", "statefulsets"),
            Self::DaemonSets => list("apps", "daemonsets"),
            Self::DisruptionBudgets => list("policy", "poddisruptionbudgets"),
            Self::Leases => list("coordination.k8s.io", "leases"),
            Self::UpgradePlanDefinition => {
                Right { group: "apiextensions.k8s.io", ..one("customresourcedefinitions", "plans.upgrade.cattle.io") }
            }
            Self::UpgradePlans => list("upgrade.cattle.io", "plans"),
        }
    }
}

/// The secret with the hash of a node's password (K3s `pkg/nodepassword`).
pub(crate) fn password_secret(node: &str) -> String {
    format!("{node}.node-password.k3s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_written_as_kubectl_takes_it() {
        let text = |read: Read| read.right("n1").to_string();
        assert_eq!(text(Read::Metrics), "get /metrics");
        assert_eq!(text(Read::Deployments), "list deployments.apps -A");
        assert_eq!(text(Read::NodePassword), "get secrets/n1.node-password.k3s -n kube-system");
        assert_eq!(text(Read::KubeSystem), "get namespaces/kube-system");
    }

    #[test]
    fn every_read_is_in_the_list_once() {
        let mut all = Read::ALL.to_vec();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), Read::ALL.len());
        // The last one of the enum: one that is added to it and not to the list is noticed by the test of what is asked.
        assert_eq!(all.last(), Some(&Read::UpgradePlans));
    }
}
