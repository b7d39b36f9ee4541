use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::KnowledgeError;
use crate::rule::date;

/// What Kubernetes took away, by minor (`knowledge/removed.toml`): flags of components, feature gates, versions of APIs.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "RemovedFile")]
pub struct Removed {
    pub as_of: Date,
    pub sources: Vec<String>,
    pub(crate) lists: RemovedLists,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedFile {
    #[serde(deserialize_with = "date")]
    as_of: Date,
    sources: Vec<String>,
    flag: Vec<Flags>,
    gate: Vec<Names>,
    api: Vec<Apis>,
}

impl From<RemovedFile> for Removed {
    fn from(file: RemovedFile) -> Self {
        let lists = RemovedLists { flag: file.flag, gate: file.gate, api: file.api };
        Self { as_of: file.as_of, sources: file.sources, lists }
    }
}

/// The lists by themselves, as a bundle brings them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RemovedLists {
    flag: Vec<Flags>,
    gate: Vec<Names>,
    api: Vec<Apis>,
}

impl RemovedLists {
    /// `flag:kubelet/log-dir`, `gate:Name`, `api:policy/v1beta1 PodDisruptionBudget`.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        let flags = self.flag.iter().flat_map(|entry| entry.names.iter().map(|name| flag_id(&entry.component, name)));
        let gates = self.gate.iter().flat_map(|entry| entry.names.iter().map(|name| format!("gate:{name}")));
        let apis = self.api.iter().flat_map(|entry| entry.names.iter().map(|name| format!("api:{name}")));
        flags.chain(gates).chain(apis)
    }

    pub(crate) fn take_out(&mut self, ids: &BTreeSet<String>) {
        for Flags { component, names, .. } in &mut self.flag {
            names.retain(|name| !ids.contains(&flag_id(component, name)));
        }
        for entry in &mut self.gate {
            entry.names.retain(|name| !ids.contains(&format!("gate:{name}")));
        }
        for entry in &mut self.api {
            entry.names.retain(|name| !ids.contains(&format!("api:{name}")));
        }
    }

    pub(crate) fn append(&mut self, more: Self) {
        self.flag.extend(more.flag);
        self.gate.extend(more.gate);
        self.api.extend(more.api);
    }
}

fn flag_id(component: &str, name: &str) -> String {
    format!("flag:{component}/{name}")
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flags {
    component: String,
    names: Vec<String>,
    /// The first minor without it.
    gone: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    names: Vec<String>,
    gone: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Apis {
    names: Vec<String>,
    /// The first minor that says that it will go.
    deprecated: Option<u32>,
    /// The first minor without it.
    gone: u32,
}

/// Stands for every component that is given flags.
const ANY: &str = "any";

/// One thing that is gone, as a rule sees it. `component` is empty for what belongs to none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    pub component: String,
    pub name: String,
    pub minor: u32,
}

/// A version of an API whose end is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndingApi {
    /// `policy/v1beta1 PodDisruptionBudget`
    pub name: String,
    /// The first minor that says that it will go; `None` where no source says so.
    pub deprecated: Option<u32>,
    /// The first minor without it.
    pub minor: u32,
}

/// Everything that is gone in one minor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoneIn {
    pub flags: Vec<Gone>,
    pub gates: Vec<Gone>,
    /// `policy/v1beta1 PodDisruptionBudget`.
    pub apis: Vec<Gone>,
}

impl Removed {
    /// Reads `knowledge/removed.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "removed.toml".to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// The first minor whose `component` does not know the flag; `None` when no removal is known.
    #[must_use]
    pub fn flag(&self, component: &str, name: &str) -> Option<u32> {
        let of = |entry: &&Flags| entry.component == component || entry.component == ANY;
        let named = |entry: &&Flags| entry.names.iter().any(|known| known == name);
        self.lists.flag.iter().filter(of).filter(named).map(|entry| entry.gone).min()
    }

    /// The first minor that does not know the feature gate; `None` when no removal is known.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<u32> {
        let named = |entry: &&Names| entry.names.iter().any(|known| known == name);
        self.lists.gate.iter().filter(named).map(|entry| entry.gone).min()
    }

    /// Every version of an API that `minor` no longer serves, or says that it will go. Where two entries name one, the earlier end
    /// counts.
    #[must_use]
    pub fn ending_apis(&self, minor: u32) -> BTreeMap<&str, EndingApi> {
        let mut ending: BTreeMap<&str, EndingApi> = BTreeMap::new();
        let ends =
            |entry: &&Apis| entry.gone <= minor || entry.deprecated.is_some_and(|deprecated| deprecated <= minor);
        for entry in self.lists.api.iter().filter(ends) {
            for name in &entry.names {
                let api = EndingApi { name: name.clone(), deprecated: entry.deprecated, minor: entry.gone };
                let known = ending.entry(name).or_insert_with(|| api.clone());
                if api.minor < known.minor {
                    *known = api;
                }
            }
        }
        ending
    }

    /// What `minor` no longer has.
    #[must_use]
    pub fn in_minor(&self, minor: u32) -> GoneIn {
        let flags = self.lists.flag.iter().filter(|entry| entry.gone <= minor);
        let flags = flags.flat_map(|entry| gone(&entry.component, &entry.names, entry.gone)).collect();
        let named = |entries: &[Names]| {
            entries.iter().filter(|entry| entry.gone <= minor).flat_map(|e| gone("", &e.names, e.gone)).collect()
        };
        let apis = self.lists.api.iter().filter(|entry| entry.gone <= minor);
        let apis = apis.flat_map(|entry| gone("", &entry.names, entry.gone)).collect();
        GoneIn { flags, gates: named(&self.lists.gate), apis }
    }
}

fn gone(component: &str, names: &[String], minor: u32) -> Vec<Gone> {
    names.iter().map(|name| Gone { component: component.to_owned(), name: name.clone(), minor }).collect()
}
