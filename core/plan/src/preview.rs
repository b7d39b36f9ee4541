use belay_checks::{Finding, Knowledge};
use belay_facts::{ClusterFacts, Facts, K3sVersion, NodeFacts, ObjectFacts, PodPart};
use serde::{Deserialize, Serialize};

use crate::Plan;

mod expected;
mod fate;
mod group;
mod hold;
mod meanwhile;
mod measured_run;
mod stored;
mod told_by;
mod workload;

pub use expected::{Basis, Expected, Range};
pub use fate::Fate;
pub use hold::Hold;
pub use measured_run::{MeasuredRun, MeasuredStep};
pub use told_by::ToldBy;
pub use workload::WorkloadPreview;

/// What an upgrade does to the workloads of its node. It is no part of a plan: whoever carries one out decides nothing by
/// it, and what was measured before changes from one day to the next (ADR 0018).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Preview {
    pub node: String,
    pub from: K3sVersion,
    pub to: K3sVersion,
    /// There is no other node that a pod could go to; `None`: the API did not say.
    pub only_node: Option<bool>,
    pub told_by: ToldBy,
    /// What runs on the node, what is disturbed most first.
    pub workloads: Vec<WorkloadPreview>,
    pub expected: Expected,
    /// What waits while the API is away.
    pub meanwhile: Vec<String>,
    /// What cannot be said, and why.
    pub unknown: Vec<String>,
}

/// What a preview is made from.
#[derive(Clone, Copy, Debug)]
pub struct PreviewRequest<'a> {
    pub facts: &'a Facts,
    /// What was found over these facts for this target.
    pub findings: &'a [Finding],
    pub knowledge: &'a Knowledge,
    pub to: &'a K3sVersion,
    /// `None` while there is none: then it is foretold from what runs.
    pub plan: Option<&'a Plan>,
    /// Upgrades of this node that were measured, the latest first.
    pub measured: &'a [MeasuredRun],
}

impl Preview {
    /// Foretells what an upgrade in place does: K3s stops and starts, and nothing is drained. `None` where there is no
    /// upgrade to foretell: not one node, no version that runs, or already this one.
    #[must_use]
    pub fn of(request: PreviewRequest<'_>) -> Option<Self> {
        let PreviewRequest { facts, findings, to, .. } = request;
        let [node] = facts.nodes.as_slice() else { return None };
        let from = node.binary.as_ref()?.version.clone()?;
        if from == *to {
            return None;
        }
        let expected = Expected::of(node, request.plan, request.measured);
        let only_node = facts.cluster.as_ref().and_then(is_only_node);
        let judge =
            fate::Judge { node, to, shared: fate::of_all(findings, request.knowledge), gap: expected.api_gap.most };
        let meanwhile = meanwhile::sentences(facts, judge.shared.as_ref());
        let (told_by, mut workloads) = match (pods(facts, node), &facts.objects) {
            (Some(pods), _) => (ToldBy::Api, group::workloads(pods, facts, &judge)),
            (None, Some(ObjectFacts::Read(inventory))) => {
                (ToldBy::Datastore, stored::workloads(inventory, &node.name, &judge))
            }
            (None, _) => (ToldBy::Nobody, Vec::new()),
        };
        workloads.sort_by(|a, b| b.fate.cmp(&a.fate).then_with(|| a.workload.cmp(&b.workload)));
        let unknown = unknown(facts, node, (&from, to), &workloads);
        let (node, to) = (node.name.clone(), to.clone());
        Some(Self { node, from, to, only_node, told_by, workloads, expected, meanwhile, unknown })
    }
}

/// Whether the cluster has one node. A cluster without any is one whose nodes could not be read.
fn is_only_node(cluster: &ClusterFacts) -> Option<bool> {
    (!cluster.nodes.is_empty()).then_some(cluster.nodes.len() == 1)
}

/// What the API told of this node's pods.
fn pods<'a>(facts: &'a Facts, node: &NodeFacts) -> Option<&'a belay_facts::NodePods> {
    facts.cluster.as_ref()?.pods.as_ref().filter(|pods| pods.node == node.name)
}

fn unknown(
    facts: &Facts,
    node: &NodeFacts,
    (from, to): (&K3sVersion, &K3sVersion),
    workloads: &[WorkloadPreview],
) -> Vec<String> {
    let mut unknown = Vec::new();
    let name = &node.name;
    let only_node = facts.cluster.as_ref().and_then(is_only_node) == Some(true);
    match (pods(facts, node), &facts.objects) {
        (Some(pods), _) => unknown.extend(pods.unread.iter().map(|part| match part {
            PodPart::Volumes => format!("which volumes bind pods to {name}: they could not be read"),
            PodPart::Budgets => "which disruption budgets would refuse: they could not be read".to_owned(),
            PodPart::Leases => "which programs lead something: the leases could not be read".to_owned(),
        })),
        (None, Some(ObjectFacts::Read(_))) => unknown.push(format!(
            "what runs on {name}: the API did not tell it. Named is what the datastore's objects tell of the whole cluster"
        )),
        (None, _) => unknown.push(format!("what runs on {name}: the API did not tell it")),
    }
    let alone: Vec<&str> = (workloads.iter())
        .filter(|one| one.elsewhere.is_none() && one.may_have_replicas())
        .map(|one| one.workload.as_str())
        .collect();
    if !only_node && !alone.is_empty() {
        unknown.push(format!("whether another node runs a replica of {}", alone.join(", ")));
    }
    if !only_node && workloads.iter().any(WorkloadPreview::would_move) {
        unknown
            .push("whether other nodes have room for what would move, and may take it (affinity, taints)".to_owned());
    }
    if from.minor != to.minor && to.minor <= LAST_TO_HASH_ALL {
        unknown.push(format!(
            "a kubelet before 1.31 starts a container anew when a release gives one of its fields a new default; none such \
             is known between {from} and {to}"
        ));
    }
    unknown
}

/// From the next minor on a kubelet's hash of a container is over name and image (kubernetes#124220).
const LAST_TO_HASH_ALL: u32 = 30;
