use std::collections::BTreeMap;

use belay_facts::{Facts, Inventory, K3sVersion, ManifestFolder, NodeFacts, ObjectFacts, ReleaseApis};

use crate::api_user::{ApiFate, ApiSource, ApiUser};
use crate::removed::EndingApi;
use crate::{Knowledge, Replacements};

/// What `kubectl apply` leaves at an object: two traces of one user.
const LAST_APPLIED: &str = "last-applied-configuration";
const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// Parts of Kubernetes that write with the version of their own release: after the upgrade they write with another.
const OWN: [&str; 6] =
    ["k3s", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager"];
const OWN_BEGIN: &str = "api-priority-and-fairness-config-";

/// The join of everything that tells who uses an API: folders, the nodes' manifests, releases of Helm, who wrote objects, and what
/// the API server counted. Worst first; the same input gives the same output.
#[must_use]
pub fn api_users(facts: &Facts, to: &K3sVersion, knowledge: &Knowledge) -> Vec<ApiUser> {
    let ending = Ending::of(to, knowledge);
    let mut users: Vec<ApiUser> = ending.of_folders(facts.manifests.as_deref().unwrap_or_default());
    for node in &facts.nodes {
        users.extend(ending.of_node(node));
    }
    if let Some(ObjectFacts::Read(inventory)) = &facts.objects {
        users.extend(ending.of_releases(inventory).unwrap_or_default());
        users.extend(ending.of_managers(inventory));
    }
    let requests = facts.cluster.iter().flat_map(|cluster| cluster.deprecated_apis.iter().flatten());
    users.extend(requests.filter_map(|api| ending.of_request(api)));
    users.sort();
    users.dedup();
    users
}

/// What ends for a target.
pub(crate) struct Ending<'a> {
    apis: BTreeMap<&'a str, EndingApi>,
    replacements: &'a Replacements,
    minor: u32,
}

impl<'a> Ending<'a> {
    pub fn of(to: &K3sVersion, knowledge: &'a Knowledge) -> Self {
        let minor = to.minor;
        Self { apis: knowledge.removed.ending_apis(minor), replacements: &knowledge.replacements, minor }
    }

    fn fate(&self, gone: u32) -> ApiFate {
        if gone <= self.minor { ApiFate::Gone } else { ApiFate::Deprecated }
    }

    /// Somebody who uses `api`; `None` when nothing becomes of it.
    fn user(
        &self,
        api: &str,
        source: ApiSource,
        user: String,
        line: u32,
        objects: Vec<String>,
        count: u64,
    ) -> Option<ApiUser> {
        let known = self.apis.get(api)?;
        let successor = self.replacements.api(api);
        let named = match (objects.as_slice(), count) {
            ([], ..=1) => api.to_owned(),
            ([], _) => format!("{count} {api}"),
            ([one], ..=1) => format!("{api} {one}"),
            ([first, ..], _) => format!("{count} {api}, such as {first}"),
        };
        let now = successor.map_or_else(String::new, |successor| format!(", now {successor}"));
        let place = if line > 0 { format!("{user}:{line}") } else { user.clone() };
        let seen = format!("{named}, gone in 1.{}{now} ({place})", known.minor);
        Some(ApiUser {
            fate: self.fate(known.minor),
            gone: known.minor,
            source,
            api: api.to_owned(),
            successor: successor.map(str::to_owned),
            user,
            line,
            objects,
            count,
            seen,
        })
    }

    pub fn of_folders(&self, folders: &[ManifestFolder]) -> Vec<ApiUser> {
        let mut users = Vec::new();
        for api in folders.iter().flat_map(|folder| &folder.apis) {
            let name = format!("{} {}", api.api_version, api.kind);
            users.extend(api.places.iter().filter_map(|place| {
                let source = if place.template { ApiSource::Template } else { ApiSource::File };
                let objects = Some(place.name.clone()).filter(|name| !name.is_empty()).into_iter().collect();
                self.user(&name, source, place.file.clone(), place.line, objects, 1)
            }));
        }
        users
    }

    fn of_node(&self, node: &NodeFacts) -> Vec<ApiUser> {
        let manifests = node.around.iter().flat_map(|around| around.manifests.iter().flatten());
        let of = |(file, api): (&String, &String)| {
            let user = format!("{}: server/manifests/{file}", node.name);
            self.user(api, ApiSource::Node, user, 0, Vec::new(), 1)
        };
        manifests.flat_map(|file| file.objects.iter().map(move |api| (&file.file, api))).filter_map(of).collect()
    }

    /// `None` when releases are encrypted, or nothing was found and some could not be read.
    pub fn of_releases(&self, inventory: &Inventory) -> Option<Vec<ApiUser>> {
        let releases = inventory.releases.as_ref()?;
        let users: Vec<ApiUser> = releases.iter().flat_map(|release| self.of_release(release)).collect();
        (!users.is_empty() || releases.iter().all(|release| release.apis.is_some())).then_some(users)
    }

    fn of_release(&self, release: &ReleaseApis) -> Vec<ApiUser> {
        let ReleaseApis { namespace, name, revision, apis } = release;
        let user = format!("{namespace}/{name} revision {revision}");
        let of = |api: &String| self.user(api, ApiSource::Release, user.clone(), 0, Vec::new(), 1);
        apis.iter().flatten().filter_map(of).collect()
    }

    pub fn of_managers(&self, inventory: &Inventory) -> Vec<ApiUser> {
        let mut users: Vec<ApiUser> = Vec::new();
        for api in &inventory.named_apis {
            let by = api.by.as_str();
            if OWN.contains(&by) || by.starts_with(OWN_BEGIN) {
                continue;
            }
            let (source, user) = match by {
                LAST_APPLIED | CLIENT_SIDE => (ApiSource::Apply, "kubectl apply"),
                other => (ApiSource::Manager, other),
            };
            let name = format!("{} {}", api.api_version, api.kind);
            let user = self.user(&name, source, user.to_owned(), 0, api.examples.clone(), api.count);
            let Some(user) = user else { continue };
            // Both traces of one apply are at the same objects.
            match users
                .iter_mut()
                .find(|known| (known.source, &known.user, &known.api) == (source, &user.user, &user.api))
            {
                Some(known) if known.count >= user.count => {}
                Some(known) => *known = user,
                None => users.push(user),
            }
        }
        users
    }

    /// The API server names resources, and knows the end of more APIs than the tables.
    fn of_request(&self, asked: &belay_facts::DeprecatedApi) -> Option<ApiUser> {
        let version = match asked.group.as_str() {
            "" => asked.version.clone(),
            group => format!("{group}/{}", asked.version),
        };
        let is_it = |name: &&&str| {
            let named = name.strip_prefix(&version).and_then(|rest| rest.strip_prefix(' '));
            named.is_some_and(|kind| resource(kind) == asked.resource)
        };
        let who = || "a client since the API server's start".to_owned();
        if let Some(name) = self.apis.keys().find(is_it) {
            return self.user(name, ApiSource::Requests, who(), 0, Vec::new(), 1);
        }
        // What no minor is said to take away is nothing to change yet.
        let gone = Some(asked.removed_minor).filter(|minor| *minor > 0)?;
        let (api, resource) = (version, &asked.resource);
        let user = ApiUser {
            fate: self.fate(gone),
            gone,
            source: ApiSource::Requests,
            api: format!("{api} {resource}"),
            successor: None,
            user: who(),
            line: 0,
            objects: Vec::new(),
            count: 1,
            seen: format!("{api} {resource}, gone in 1.{gone} ({})", who()),
        };
        Some(user)
    }
}

/// The resource of a kind, as Kubernetes guesses it (`meta.UnsafeGuessKindToResource`).
fn resource(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.strip_suffix('y') {
        _ if kind == "endpoints" => kind,
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_resource() {
        for (kind, expected) in [
            ("PodDisruptionBudget", "poddisruptionbudgets"),
            ("Ingress", "ingresses"),
            ("IngressClass", "ingressclasses"),
            ("PodSecurityPolicy", "podsecuritypolicies"),
            ("Endpoints", "endpoints"),
            ("IPAddress", "ipaddresses"),
        ] {
            assert_eq!(resource(kind), expected);
        }
    }
}
