use std::borrow::Cow;
use std::collections::BTreeMap;

use belay_facts::{
    AdmissionWebhook, CustomDefinition, HelmRelease, Inventory, InventorySource, KindCount, NamedApi, ReleaseApis,
    Sample, SelectedLabel, ServiceBackend, StoredNode,
};

use crate::kinds;
use crate::{Meta, Object, Undecoded, release};

/// Where Kubernetes keeps its objects, and where K3s keeps its CAs and keys.
const REGISTRY: &[u8] = b"/registry/";
const BOOTSTRAP: &[u8] = b"/bootstrap/";
/// The apiserver's probe of the datastore.
const PROBE: &[u8] = b"health";
pub(crate) const RELEASE: &[u8] = b"sh.helm.release.v1.";

/// etcd takes 1.5 MiB, and something that grows is noticed before that.
const LARGE: usize = 512 * 1024;
/// The longest name that Kubernetes allows.
const NAME: usize = 253;
/// How many examples of one thing are kept, and how many things that only an odd cluster has so many of.
const EXAMPLES: usize = 3;
const MOST: usize = 5000;
/// Of what another one is looked up in, none may be missing.
pub(crate) const ALL: usize = usize::MAX;

/// An inventory in the making: live values of a datastore go in, one by one and in any order.
#[derive(Debug, Default)]
pub struct Tally {
    pub(crate) objects: u64,
    encrypted: u64,
    encrypted_releases: bool,
    undecoded: u64,
    bootstrap_keys: u64,
    /// By what is called a name here: parts, with a zero between.
    kinds: Notes,
    named: Notes,
    selected: Notes,
    pub(crate) definitions: Vec<CustomDefinition>,
    pub(crate) webhooks: Vec<AdmissionWebhook>,
    pub(crate) nodes: Vec<StoredNode>,
    /// Of a release of Helm, by namespace and name: its newest revision, the status of that, and its APIs; one that is empty where they could not be
    /// read.
    pub(crate) releases: Notes,
    /// Bytes that their records became.
    pub(crate) inflated: usize,
    /// Of a service, by `namespace/name`: its ready endpoints, and their nodes.
    pub(crate) backends: Notes,
    pub(crate) lists: Lists,
    scratch: Vec<u8>,
}

/// What is kept of the many.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub blocking_budgets: Sample<belay_facts::DisruptionBudget>,
    pub single_replicas: Sample<String>,
    pub bare_pods: Sample<belay_facts::PlacedPod>,
    pub terminating_pods: Sample<belay_facts::TerminatingPod>,
    pub host_paths: Sample<belay_facts::HostPath>,
    pub empty_dirs: Sample<String>,
    pub local_volumes: Sample<belay_facts::LocalVolume>,
    pub large: Sample<belay_facts::LargeObject>,
}

/// One kind of map for all that is noted: each more would be kilobytes of the helper.
pub(crate) type Notes = BTreeMap<Vec<u8>, Note>;

/// A number, and some texts in their order.
#[derive(Debug, Default)]
pub(crate) struct Note {
    pub number: u64,
    pub texts: Vec<String>,
}

impl Note {
    /// Counts one more, and keeps it as an example if it is among the first.
    fn count(&mut self, example: String) {
        self.number += 1;
        self.keep(example);
        self.texts.truncate(EXAMPLES);
    }

    pub fn keep(&mut self, text: String) {
        if let Err(at) = self.texts.binary_search(&text) {
            self.texts.insert(at, text);
        }
    }
}

/// What is noted under a name; `None` when it is a new one and there are `most` already.
#[inline(never)]
pub(crate) fn note<'a>(notes: &'a mut Notes, name: &[u8], most: usize) -> Option<&'a mut Note> {
    if !notes.contains_key(name) {
        if notes.len() >= most {
            return None;
        }
        notes.insert(name.to_vec(), Note::default());
    }
    notes.get_mut(name)
}

impl Tally {
    /// Takes in one live key and its value.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let Some(path) = key.strip_prefix(REGISTRY) else {
            self.bootstrap_keys += u64::from(key.starts_with(BOOTSTRAP));
            return;
        };
        if path == PROBE {
            return;
        }
        if value.len() > LARGE {
            let key = String::from_utf8_lossy(path).into_owned();
            self.lists.large.add(belay_facts::LargeObject { key, bytes: value.len() as u64 });
        }
        match Object::decode(value) {
            Ok(object) => self.object(&object),
            Err(Undecoded::Encrypted) => {
                self.encrypted += 1;
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                self.encrypted_releases |= name.starts_with(RELEASE);
            }
            Err(Undecoded::Foreign) => self.undecoded += 1,
        }
    }

    fn object(&mut self, object: &Object<'_>) {
        self.objects += 1;
        self.scratch.clear();
        for part in [object.api_version, "\0", object.kind] {
            self.scratch.extend_from_slice(part.as_bytes());
        }
        if let Some(known) = note(&mut self.kinds, &self.scratch, ALL) {
            known.number += 1;
        }
        let meta = object.meta();
        for manager in meta.managers() {
            if is_worth_naming(manager.api_version, object.api_version) {
                self.name_api(manager.api_version, object.kind.as_bytes(), manager.name, &meta);
            }
        }
        meta.last_applied(|api_version, kind| {
            if is_worth_naming(api_version, object.api_version) {
                self.name_api(api_version, kind, b"last-applied-configuration", &meta);
            }
        });
        kinds::note(self, object, &meta);
    }

    fn name_api(&mut self, api_version: &[u8], kind: &[u8], by: &[u8], meta: &Meta<'_>) {
        self.scratch.clear();
        for part in [api_version, b"\0", kind, b"\0", by] {
            self.scratch.extend_from_slice(part);
        }
        if let Some(known) = note(&mut self.named, &self.scratch, MOST) {
            known.count(title(meta));
        }
    }

    /// Somebody's pods ask a node for this label.
    pub(crate) fn select(&mut self, label: &str, who: &dyn Fn() -> String) {
        if let Some(known) = note(&mut self.selected, label.as_bytes(), MOST) {
            known.count(who());
        }
    }

    /// What it all is.
    #[must_use]
    pub fn finish(self, source: InventorySource) -> Inventory {
        let Self { mut definitions, mut webhooks, mut nodes, backends, releases, lists, .. } = self;
        let backend = |service: &str| {
            let found = backends.get(service.as_bytes());
            let found = found.map(|note| ServiceBackend { ready: note.number, nodes: note.texts.clone() });
            (!service.is_empty()).then(|| found.unwrap_or_default())
        };
        for definition in &mut definitions {
            definition.backend = backend(&definition.conversion);
        }
        for webhook in &mut webhooks {
            webhook.backend = backend(&webhook.service);
        }
        definitions.sort_unstable();
        webhooks.sort_unstable();
        nodes.sort_unstable();
        definitions.truncate(MOST);
        webhooks.truncate(MOST);
        let (mut pending, mut told) = (Vec::new(), Vec::new());
        for (name, note) in releases {
            let ([namespace, name, _], revision) = (parts(&name), note.number);
            let mut texts = note.texts.into_iter();
            let status = texts.next().unwrap_or_default();
            let apis: Vec<String> = texts.collect();
            if let Some(first) = apis.first() {
                let apis = (!first.is_empty()).then_some(apis);
                told.push(ReleaseApis { namespace: namespace.clone(), name: name.clone(), revision, apis });
            }
            if status.starts_with("pending-") {
                pending.push(HelmRelease { namespace, name, revision, status });
            }
        }
        Inventory {
            source,
            objects: self.objects,
            encrypted: self.encrypted,
            undecoded: self.undecoded,
            bootstrap_keys: self.bootstrap_keys,
            kinds: self.kinds.into_iter().map(kind_count).collect(),
            named_apis: self.named.into_iter().map(named_api).collect(),
            definitions,
            webhooks,
            nodes,
            pending_releases: (!self.encrypted_releases).then_some(pending),
            releases: (!self.encrypted_releases).then_some(told),
            blocking_budgets: lists.blocking_budgets,
            single_replicas: lists.single_replicas,
            bare_pods: lists.bare_pods,
            terminating_pods: lists.terminating_pods,
            host_paths: lists.host_paths,
            empty_dirs: lists.empty_dirs,
            local_volumes: lists.local_volumes,
            selected_labels: self
                .selected
                .into_iter()
                .map(|(label, note)| {
                    let [label, _, _] = parts(&label);
                    SelectedLabel { label, count: note.number, examples: note.texts }
                })
                .collect(),
            large: lists.large,
        }
    }
}

/// `default/web`, or `web` where there are no namespaces.
#[inline(never)]
pub(crate) fn title(meta: &Meta<'_>) -> String {
    let name = short(meta.name);
    match meta.namespace {
        b"" => name.into_owned(),
        namespace => format!("{}/{name}", short(namespace)),
    }
}

/// As much of a name as Kubernetes allows: what is longer is damage, and would be told again with each of a thousand parts.
pub(crate) fn short(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name.get(..NAME).unwrap_or(name))
}

/// A stable version that is also the stored one will be there after an upgrade: Kubernetes takes no stable version away.
fn is_worth_naming(named: &[u8], stored: &str) -> bool {
    if named.is_empty() {
        return false;
    }
    !release::is_stable(named) || named != stored.as_bytes()
}

#[inline(never)]
fn parts(key: &[u8]) -> [String; 3] {
    let mut parts = key.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default)
}

fn kind_count((key, note): (Vec<u8>, Note)) -> KindCount {
    let [api_version, kind, _] = parts(&key);
    KindCount { api_version, kind, count: note.number }
}

fn named_api((key, note): (Vec<u8>, Note)) -> NamedApi {
    let [api_version, kind, by] = parts(&key);
    NamedApi { api_version, kind, by, count: note.number, examples: note.texts }
}
