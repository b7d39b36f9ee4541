//! What the abandoned version wrote: its datastore compared with the kept one, key by key.

use std::collections::BTreeMap;

use belay_wire::{Change, LostObject};
use serde::{Deserialize, Serialize};

use crate::datastore::{Datastore, DatastoreError};

/// The list of a put-back, kept in `lost.json` beside the node's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// False when the abandoned datastore could not be read to its end, or has compacted away some of what it wrote.
    pub complete: bool,
    pub objects: Vec<LostObject>,
    pub uncounted: BTreeMap<String, u64>,
}

/// From where on the abandoned datastore was written by itself.
#[derive(Clone, Copy)]
pub(crate) struct Since {
    revision: u64,
    /// Whether it began as the kept one, or, restored, as an older state of it.
    forked: bool,
}

impl Since {
    /// The abandoned datastore began as the kept one, at this revision.
    pub(crate) const fn forked(revision: u64) -> Self {
        Self { revision, forked: true }
    }

    /// It began as something older, made to go on above this revision: only what came later was written in it.
    pub(crate) const fn restored(revision: u64) -> Self {
        Self { revision, forked: false }
    }
}

/// What was written in the abandoned datastore, key by key against the kept one.
pub(crate) fn compare(kept: &Datastore, since: Since, abandoned: &Datastore) -> Result<Lost, DatastoreError> {
    let Since { revision: since, forked } = since;
    let mut before = BTreeMap::new();
    kept.latest(|name, revision, live| {
        before.insert(name, (revision, live));
    })?;
    let mut lost = Lost { complete: abandoned.is_complete() && abandoned.compacted()? <= since, ..Lost::default() };
    let mut anew = false;
    abandoned.latest(|name, revision, live| {
        let known = before.remove(&name);
        if !forked && revision <= since {
            return;
        }
        // In one line whatever differs was written after `since`. A datastore that began anew has keys from before it.
        anew |= revision <= since && known.is_none_or(|(old, _)| old != revision) && !matches!(kind(&name), Kind::Own);
        let change = match (known, live) {
            (Some((old, true)), true) if old != revision => Change::Changed,
            (Some((_, true)), false) => Change::Deleted,
            (None | Some((_, false)), true) => Change::Created,
            (None | Some((_, false)), false) if revision > since => Change::CameAndWent,
            _ => return,
        };
        lost.add(&name, change);
    })?;
    // Compaction removes the last trace of a deleted key; a datastore that began anew never had it.
    for (name, (_, live)) in before {
        if live && forked && !anew {
            lost.add(&name, Change::Deleted);
        }
    }
    lost.objects.sort_unstable();
    Ok(lost)
}

impl Lost {
    fn add(&mut self, key: &str, change: Change) {
        match kind(key) {
            Kind::Own => {}
            Kind::Counted(what) => *self.uncounted.entry(what.to_owned()).or_default() += 1,
            Kind::Object { resource, namespace, name } => {
                self.objects.push(LostObject { resource, namespace, name, change, key: key.to_owned() });
            }
        }
    }
}

enum Kind {
    /// Kine's own row, or the apiserver's probe of it.
    Own,
    /// What a running cluster writes by itself all the time, and what is no object of the API.
    Counted(&'static str),
    Object {
        resource: String,
        namespace: String,
        name: String,
    },
}

/// What a key of the datastore is. Kubernetes' form is `/registry/[group/]resource/[namespace/]name`.
fn kind(key: &str) -> Kind {
    if key == "compact_rev_key" || key.starts_with("gap-") || key == "/registry/health" {
        return Kind::Own;
    }
    // K3s' certificates and keys, encrypted; put back with the directory.
    if key.starts_with("/bootstrap/") {
        return Kind::Counted("bootstrap");
    }
    let object = |resource: &str, namespace: &str, name: &str| Kind::Object {
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let parts: Vec<&str> = key.trim_start_matches('/').split('/').skip(1).collect();
    match parts.as_slice() {
        ["events", ..] => Kind::Counted("events"),
        ["leases" | "masterleases" | "peerserverleases", ..] => Kind::Counted("leases"),
        // Allocations of addresses and ports, rebuilt by the apiserver from the Services.
        ["ranges", ..] => Kind::Counted("ranges"),
        ["services", "specs", namespace, name] => object("services", namespace, name),
        ["services", "endpoints", namespace, name] => object("endpoints", namespace, name),
        ["minions", name] => object("nodes", "", name),
        ["controllers", namespace, name] => object("replicationcontrollers", namespace, name),
        ["ingress", namespace, name] => object("ingresses", namespace, name),
        ["podsecuritypolicy", name] => object("podsecuritypolicies", "", name),
        ["apiregistration.k8s.io" | "apiextensions.k8s.io", resource, name] => object(resource, "", name),
        [group, resource, name] if group.contains('.') => object(&format!("{group}/{resource}"), "", name),
        [group, resource, namespace, name] if group.contains('.') => {
            object(&format!("{group}/{resource}"), namespace, name)
        }
        [resource, name] => object(resource, "", name),
        [resource, namespace, name] => object(resource, namespace, name),
        _ => object("", "", key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_as_people_know_them() {
        let told = |key: &str| match kind(key) {
            Kind::Own => "own".to_owned(),
            Kind::Counted(what) => format!("counted {what}"),
            Kind::Object { resource, namespace, name } => format!("{resource} {namespace} {name}"),
        };
        for (key, expected) in [
            ("/registry/configmaps/default/a", "configmaps default a"),
            ("/registry/namespaces/default", "namespaces  default"),
            ("/registry/deployments/apps/web", "deployments apps web"),
            ("/registry/services/specs/default/kubernetes", "services default kubernetes"),
            ("/registry/services/endpoints/default/kubernetes", "endpoints default kubernetes"),
            ("/registry/minions/n1", "nodes  n1"),
            ("/registry/clusterroles/system:node", "clusterroles  system:node"),
            ("/registry/k3s.cattle.io/addons/kube-system/ccm", "k3s.cattle.io/addons kube-system ccm"),
            ("/registry/example.com/widgets/w", "example.com/widgets  w"),
            ("/registry/apiextensions.k8s.io/customresourcedefinitions/x.y", "customresourcedefinitions  x.y"),
            ("/registry/leases/kube-node-lease/n1", "counted leases"),
            ("/registry/masterleases/10.0.0.1", "counted leases"),
            ("/registry/events/default/x.1", "counted events"),
            ("/registry/ranges/serviceips", "counted ranges"),
            ("/bootstrap/abc", "counted bootstrap"),
            ("/registry/health", "own"),
            ("compact_rev_key", "own"),
            ("gap-3000", "own"),
            ("odd", "  odd"),
        ] {
            assert_eq!(told(key), expected, "{key}");
        }
    }
}
