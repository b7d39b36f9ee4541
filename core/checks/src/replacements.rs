use jiff::civil::Date;
use serde::Deserialize;

use crate::KnowledgeError;
use crate::rule::date;

/// What may be proposed in the place of a setting that is gone (`knowledge/replacements.toml`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacements {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    setting: Vec<Replacement>,
    api: Vec<Successor>,
}

/// The version in which some APIs go on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Successor {
    /// As in `removed.toml`: `policy/v1beta1 PodDisruptionBudget`.
    names: Vec<String>,
    /// `policy/v1`
    version: String,
}

/// The successor of some settings; without a key they may simply go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// As in `removed.toml`; `k3s` for K3s' own keys.
    pub component: String,
    pub names: Vec<String>,
    /// The one value that this is about; `None` for every value.
    pub when: Option<String>,
    /// The key of K3s that says the same.
    pub key: Option<String>,
    /// Its value; `None` for the old value.
    pub value: Option<String>,
    /// Added to what the key has already.
    #[serde(default)]
    pub append: bool,
    pub why: String,
}

impl Replacements {
    /// Reads `knowledge/replacements.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "replacements.toml".to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// The version in which an API goes on; `None` when it has no successor, or none is known.
    #[must_use]
    pub fn api(&self, name: &str) -> Option<&str> {
        let named = |entry: &&Successor| entry.names.iter().any(|known| known == name);
        self.api.iter().find(named).map(|entry| entry.version.as_str())
    }

    /// What may take the place of `name` with this value; `None` when only a human can say.
    #[must_use]
    pub fn of(&self, component: &str, name: &str, value: &str) -> Option<&Replacement> {
        self.setting.iter().find(|entry| {
            (entry.component == component || (entry.component == "any" && component != "k3s"))
                && entry.names.iter().any(|known| known == name)
                && entry.when.as_ref().is_none_or(|when| when == value)
        })
    }

    /// Every entry, for those who check the table.
    pub fn iter(&self) -> impl Iterator<Item = &Replacement> {
        self.setting.iter()
    }
}
