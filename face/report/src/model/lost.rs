use std::collections::BTreeMap;

use belay_plan::StepKind;
use serde::{Deserialize, Serialize};

use super::StepReport;

/// What the abandoned version had written, from `put-back`'s proof; of a restore that holds, what it gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lost {
    /// Where the abandoned directory lies.
    pub abandoned: String,
    /// Given up by a restore that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
    /// False when the abandoned datastore could not be read to its end.
    #[serde(rename(deserialize = "lost-complete"))]
    pub complete: bool,
    #[serde(rename(deserialize = "lost"))]
    pub objects: Vec<LostObject>,
    /// How many more are named only in `lost.json` on the node.
    #[serde(default, rename(deserialize = "lost-unlisted"))]
    pub unlisted: u64,
    /// Heartbeats by resource: leases and events.
    #[serde(default)]
    pub uncounted: BTreeMap<String, u64>,
    /// Files of the user that were carried over, relative to `server/`.
    #[serde(default)]
    pub carried: Vec<String>,
    /// Revisions start above this one.
    pub revision: u64,
    pub kept_revision: u64,
    pub abandoned_revision: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LostObject {
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    /// `created`, `changed`, `deleted` or `came-and-went`.
    pub change: String,
    pub key: String,
}

const WRITTEN_BY_SERVERS: [&str; 12] = [
    "nodes",
    "csinodes",
    "endpoints",
    "endpointslices",
    "addons",
    "etcdsnapshotfiles",
    "apiservices",
    "flowschemas",
    "prioritylevelconfigurations",
    "ipaddresses",
    "servicecidrs",
    "leasecandidates",
];
/// The default roles of Kubernetes whose names do not begin with `system:`.
const ROLES_OF_SERVERS: [&str; 4] = ["admin", "cluster-admin", "edit", "view"];

impl LostObject {
    /// What servers, controllers and Belay write by themselves: into namespaces of their own, objects of kinds that hardly anybody
    /// writes by hand, and those that every start brings to what its version has.
    fn is_of_the_cluster(&self) -> bool {
        let kind = self.resource.rsplit('/').next().unwrap_or_default();
        let begins = |with: &[&str]| with.iter().any(|begin| self.name.starts_with(begin));
        let is_role_of_servers =
            ROLES_OF_SERVERS.contains(&self.name.as_str()) || begins(&["system:", "k3s-", "local-path-provisioner-"]);
        self.namespace.starts_with("kube-")
            || self.namespace.starts_with("belay-")
            || begins(&["belay-"])
            || WRITTEN_BY_SERVERS.contains(&kind)
            || self.namespace.is_empty() && is_role_of_servers
    }

    /// `configmaps default/settings`; the key for what does not follow the usual form.
    #[must_use]
    pub fn display(&self) -> String {
        match (self.name.is_empty(), self.namespace.is_empty()) {
            (true, _) => self.key.clone(),
            (false, true) => format!("{} {}", self.resource, self.name),
            (false, false) => format!("{} {}/{}", self.resource, self.namespace, self.name),
        }
    }
}

impl Lost {
    /// The first of them in words, what people wrote before what K3s and Belay write by themselves, and how many more
    /// there are.
    #[must_use]
    pub fn first(&self, most: usize) -> (Vec<String>, usize) {
        let objects = people_first(&self.objects);
        let named = objects.iter().take(most);
        let named: Vec<String> = named.map(|o| format!("{} {}", o.change.replace('-', " "), o.display())).collect();
        let all = objects.len().saturating_add(usize::try_from(self.unlisted).unwrap_or(usize::MAX));
        let more = all.saturating_sub(named.len());
        (named, more)
    }
}

/// What people wrote before what K3s and Belay write by themselves, each in the order that it had.
#[must_use]
pub fn people_first(objects: &[LostObject]) -> Vec<&LostObject> {
    let mut objects: Vec<&LostObject> = objects.iter().collect();
    objects.sort_by_key(|object| object.is_of_the_cluster());
    objects
}

/// Of the first node that was put back; of a run that goes on, or has ended, with what it restored, of that.
pub(super) fn lost(steps: &[StepReport], turned: bool) -> Option<Lost> {
    let of = |kind| steps.iter().find(|step| step.kind == Some(kind)).and_then(StepReport::proof);
    let (proof, given_up) = match of(StepKind::PutBack) {
        Some(proof) => (proof, false),
        None if !turned => (of(StepKind::Restore)?, true),
        None => return None,
    };
    let lost = serde_json::from_value(proof.clone()).unwrap_or_else(|_| unreadable(proof));
    Some(Lost { given_up, ..lost })
}

/// A proof of another shape (another version of the helper) must not read as "nothing was lost": the list is called
/// incomplete, and the proof itself stands with its step.
fn unreadable(proof: &serde_json::Value) -> Lost {
    let abandoned = proof.get("abandoned").and_then(serde_json::Value::as_str);
    let revision = |field: &str| proof.get(field).and_then(serde_json::Value::as_u64);
    Lost {
        abandoned: abandoned.unwrap_or("a place that the proof does not name").to_owned(),
        given_up: false,
        complete: false,
        objects: Vec::new(),
        unlisted: 0,
        uncounted: BTreeMap::new(),
        carried: Vec::new(),
        revision: revision("revision").unwrap_or(0),
        kept_revision: revision("kept-revision").unwrap_or(0),
        abandoned_revision: revision("abandoned-revision"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a newcomer: twenty roles of the system were named, and the Secret that was lost was not.
    #[test]
    fn what_people_lost_was_hidden_behind_what_servers_write() {
        let object = |resource: &str, namespace: &str, name: &str| LostObject {
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
            change: "changed".into(),
            key: format!("/registry/{resource}/{name}"),
        };
        let mut objects: Vec<LostObject> =
            (0..20).map(|n| object("clusterroles", "", &format!("system:controller:{n}"))).collect();
        objects.extend([
            object("apiregistration.k8s.io/apiservices", "", "v1.apps"),
            object("clusterroles", "", "view"),
            object("deployments", "kube-system", "coredns"),
            object("pods", "belay-x", "canary"),
            object("clusterroles", "", "auditors"),
            object("secrets", "shop", "admin"),
            object("secrets", "shop", "zz-mine"),
        ]);
        let named: Vec<String> = people_first(&objects).into_iter().take(4).map(LostObject::display).collect();
        let own = ["clusterroles auditors", "secrets shop/admin", "secrets shop/zz-mine"];
        assert_eq!((&named[..3], named[3].as_str()), (&own.map(str::to_owned)[..], "clusterroles system:controller:0"));
    }
}
