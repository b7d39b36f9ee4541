use jiff::civil::Date;
use serde::Deserialize;

use crate::KnowledgeError;
use crate::rule::date;

/// Flags that mean something else from some minor on (`knowledge/changed-flags.toml`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedFlags {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    changed: Vec<Changed>,
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

impl ChangedFlags {
    /// Reads `knowledge/changed-flags.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "changed-flags.toml".to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// The minor from which on the flag means something else, and what.
    #[must_use]
    pub fn of(&self, component: &str, name: &str) -> Option<(u32, &str)> {
        let found = self.changed.iter().find(|changed| changed.component == component && changed.name == name);
        found.map(|changed| (changed.since, changed.how.as_str()))
    }
}
