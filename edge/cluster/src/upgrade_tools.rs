use std::collections::BTreeMap;

use belay_facts::{UpgradeTool, Workload};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, Selector, SelectorExt as _};

use crate::{Api, ClusterError, Read};

const PLANS: &str = "plans.upgrade.cattle.io";

impl Api {
    /// Plans of the system-upgrade-controller; none where its kind is not defined.
    pub(crate) async fn upgrade_plans(&self) -> Result<Vec<DynamicObject>, ClusterError> {
        let definitions = kube::Api::<CustomResourceDefinition>::all(self.client.clone());
        let read = Read::UpgradePlanDefinition;
        let definition = self.ask_for(read.asking(), definitions.get_metadata(PLANS)).await;
        if definition.map_err(|error| error.lacking(&read.right("")))?.is_none() {
            return Ok(Vec::new());
        }
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("upgrade.cattle.io", "v1", "Plan"));
        let plans = kube::Api::<DynamicObject>::all_with(self.client.clone(), &kind);
        self.list(Read::UpgradePlans, &plans).await
    }
}

/// Plans of the system-upgrade-controller that select a node, and Rancher's agent, which makes such plans.
pub(crate) fn found(nodes: &[Node], workloads: &[Workload], plans: &[DynamicObject]) -> Vec<UpgradeTool> {
    let mut found: Vec<UpgradeTool> = workloads.iter().filter_map(rancher).collect();
    found.extend(plans.iter().filter_map(|plan| upgrade_controller(plan, nodes)));
    found.sort();
    found
}

fn rancher(workload: &Workload) -> Option<UpgradeTool> {
    let at_home = ["cattle-system", "cattle-fleet-system"].contains(&workload.namespace.as_str());
    (at_home && workload.kind == "Deployment" && workload.name == "cattle-cluster-agent").then(|| UpgradeTool {
        name: "rancher".to_owned(),
        evidence: format!("Deployment {}/{}", workload.namespace, workload.name),
    })
}

/// A plan without a selector selects nothing; one that cannot be read is taken to select everything, because a plan that
/// we misjudge would restart K3s under our hands.
fn upgrade_controller(plan: &DynamicObject, nodes: &[Node]) -> Option<UpgradeTool> {
    let selector = plan.data.get("spec")?.get("nodeSelector").filter(|selector| !selector.is_null())?;
    let selector: Option<Selector> =
        serde_json::from_value::<LabelSelector>(selector.clone()).ok().and_then(|selector| selector.try_into().ok());
    let none = BTreeMap::new();
    let selected: Vec<String> = nodes
        .iter()
        .filter(|node| selector.as_ref().is_none_or(|s| s.matches(node.metadata.labels.as_ref().unwrap_or(&none))))
        .map(kube::ResourceExt::name_any)
        .collect();
    (!selected.is_empty()).then(|| UpgradeTool {
        name: "system-upgrade-controller".to_owned(),
        evidence: format!(
            "Plan {}/{} selects {}{}",
            plan.namespace().unwrap_or_default(),
            plan.name_any(),
            selected.join(", "),
            aim(plan)
        ),
    })
}

/// What it would do to them: a channel moves by itself, a version may undo what another one has done.
fn aim(plan: &DynamicObject) -> String {
    let spec = plan.data.get("spec");
    let text = |field: &str| spec?.get(field)?.as_str().filter(|text| !text.is_empty());
    let target = match (text("version"), text("channel")) {
        (Some(version), _) => format!(", for version {version}"),
        (None, Some(channel)) => format!(", for whatever {} names", without_login(channel)),
        (None, None) => String::new(),
    };
    match spec.and_then(|spec| spec.get("concurrency")).and_then(serde_json::Value::as_u64) {
        Some(nodes) if nodes > 1 => format!("{target}, {nodes} nodes at once"),
        _ => target,
    }
}

/// An address may hold a login, or a key in its query.
fn without_login(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    match path.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, role: &str) -> Node {
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": { role: "true" } } })).unwrap()
    }

    fn evidence(spec: Value) -> Option<String> {
        let plan: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "upgrade.cattle.io/v1", "kind": "Plan",
            "metadata": { "namespace": "system-upgrade", "name": "server-plan" }, "spec": spec,
        }))
        .unwrap();
        let nodes = [node("n1", "node-role.kubernetes.io/control-plane"), node("w1", "worker")];
        upgrade_controller(&plan, &nodes).map(|tool| tool.evidence)
    }

    #[test]
    fn names_the_nodes_that_a_plan_selects() {
        let role = "node-role.kubernetes.io/control-plane";
        let server =
            json!({ "nodeSelector": { "matchExpressions": [{ "key": role, "operator": "In", "values": ["true"] }] } });
        assert_eq!(evidence(server).as_deref(), Some("Plan system-upgrade/server-plan selects n1"));
        let agent = json!({ "nodeSelector": { "matchExpressions": [{ "key": role, "operator": "DoesNotExist" }] } });
        assert_eq!(evidence(agent).as_deref(), Some("Plan system-upgrade/server-plan selects w1"));
        let all = json!({ "nodeSelector": {} });
        assert_eq!(evidence(all).as_deref(), Some("Plan system-upgrade/server-plan selects n1, w1"));
    }

    #[test]
    fn tells_what_a_plan_would_do() {
        let all = |more: Value| {
            let mut spec = json!({ "nodeSelector": {} });
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            evidence(spec).unwrap().trim_start_matches("Plan system-upgrade/server-plan selects n1, w1").to_owned()
        };
        let channel = "https://ada:s3cret@update.k3s.io/v1-release/channels/stable?key=s3cret";
        assert_eq!(
            all(json!({ "channel": channel, "concurrency": 2 })),
            ", for whatever https://update.k3s.io/v1-release/channels/stable names, 2 nodes at once"
        );
        assert_eq!(
            all(json!({ "version": "v1.36.3+k3s1", "channel": "x", "concurrency": 1 })),
            ", for version v1.36.3+k3s1"
        );
    }

    #[test]
    fn a_plan_that_selects_nothing_is_no_rival() {
        assert_eq!(evidence(json!({ "nodeSelector": { "matchLabels": { "plan": "later" } } })), None);
        assert_eq!(evidence(json!({})), None);
    }

    #[test]
    fn a_selector_that_cannot_be_read_is_taken_to_select_all() {
        let odd = json!({ "nodeSelector": { "matchExpressions": [{ "key": "a", "operator": "Near" }] } });
        assert_eq!(evidence(odd).as_deref(), Some("Plan system-upgrade/server-plan selects n1, w1"));
    }

    #[test]
    fn knows_rancher_by_its_agent() {
        let agent = |namespace: &str| Workload {
            kind: "Deployment".into(),
            namespace: namespace.into(),
            name: "cattle-cluster-agent".into(),
            images: Vec::new(),
            desired: 1,
            ready: 1,
        };
        assert_eq!(rancher(&agent("cattle-system")).unwrap().evidence, "Deployment cattle-system/cattle-cluster-agent");
        assert_eq!(rancher(&agent("default")), None);
    }
}
