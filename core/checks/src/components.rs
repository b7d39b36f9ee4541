use jiff::civil::Date;
use serde::Deserialize;

use crate::KnowledgeError;
use crate::rule::date;

/// Flags and feature gates of the components inside K3s (`knowledge/component-flags.toml`): what went with a minor, and
/// what means something else from one on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentFlags {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    removed: Vec<Removed>,
    gate: Vec<Gate>,
    changed: Vec<Changed>,
}

/// A flag that the component does not know any more from 1.`until` on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    component: String,
    name: String,
    until: u32,
}

/// A feature gate that no component knows any more from 1.`until` on; a `*` at the end stands for a family.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    name: String,
    until: u32,
}

/// A flag that means something else from 1.`since` on. The component `k3s` is K3s itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    component: String,
    name: String,
    since: u32,
    how: String,
}

impl ComponentFlags {
    /// Reads `knowledge/component-flags.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "component-flags.toml".to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// The minor from which on `component` does not know the flag; `None` when no removal is known.
    #[must_use]
    pub fn removed(&self, component: &str, name: &str) -> Option<u32> {
        let found = self.removed.iter().find(|removed| removed.component == component && removed.name == name);
        found.map(|removed| removed.until)
    }

    /// The minor from which on the gate is not known; `None` when no removal is known.
    #[must_use]
    pub fn gate_removed(&self, name: &str) -> Option<u32> {
        let is =
            |gate: &&Gate| gate.name.strip_suffix('*').map_or(gate.name == name, |family| name.starts_with(family));
        self.gate.iter().find(is).map(|gate| gate.until)
    }

    /// The minor from which on the flag means something else, and what.
    #[must_use]
    pub fn changed(&self, component: &str, name: &str) -> Option<(u32, &str)> {
        let found = self.changed.iter().find(|changed| changed.component == component && changed.name == name);
        found.map(|changed| (changed.since, changed.how.as_str()))
    }
}
