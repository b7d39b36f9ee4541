use std::collections::BTreeSet;

use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::Deserialize;

use crate::KnowledgeError;
use crate::rule::date;

/// Flags of `k3s server` or of `k3s agent`, which are the keys of `config.yaml` as well (`knowledge/server-flags.toml`,
/// `knowledge/agent-flags.toml`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct K3sFlags {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    /// The minors that the table covers: `[24, 37]`, both included. About others nothing is known.
    minors: [u32; 2],
    /// Flags of every minor that the table covers, and their one-letter forms.
    always: Vec<String>,
    flag: Vec<Flag>,
}

/// A flag that came or went. Bounds are `1.N` or a full tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flag {
    name: String,
    /// The first release that knows it.
    since: Option<Bound>,
    /// The first release that does not.
    until: Option<Bound>,
    /// The minors, both included, of which no source says whether they know it.
    unsure: Option<[u32; 2]>,
}

impl Flag {
    fn is_unsure(&self, tag: &K3sVersion) -> bool {
        self.unsure.is_some_and(|[first, last]| (first..=last).contains(&tag.minor))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
enum Bound {
    Minor(u32),
    Tag(K3sVersion),
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(minor) = text.strip_prefix("1.").and_then(|minor| minor.parse().ok()) {
            return Ok(Self::Minor(minor));
        }
        text.parse().map(Self::Tag).map_err(|error| format!("`{text}` is neither 1.N nor a tag: {error}"))
    }
}

impl Bound {
    fn reached_by(&self, tag: &K3sVersion) -> bool {
        match self {
            Self::Minor(minor) => tag.minor >= *minor,
            Self::Tag(first) => tag >= first,
        }
    }
}

impl K3sFlags {
    /// Reads a table; `file` is its name for errors.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(file: &str, text: &str) -> Result<Self, KnowledgeError> {
        let file = file.to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// Whether no source says if `tag` knows the flag.
    #[must_use]
    pub fn unsure(&self, tag: &K3sVersion, name: &str) -> bool {
        self.flag.iter().filter(|flag| flag.name == name).any(|flag| flag.is_unsure(tag))
    }

    /// The flags that `tag` surely knows; `None` when the table does not cover its minor.
    #[must_use]
    pub fn of(&self, tag: &K3sVersion) -> Option<BTreeSet<&str>> {
        let [first, last] = self.minors;
        if tag.major != 1 || !(first..=last).contains(&tag.minor) {
            return None;
        }
        let there = |flag: &&Flag| {
            flag.since.as_ref().is_none_or(|since| since.reached_by(tag))
                && flag.until.as_ref().is_none_or(|until| !until.reached_by(tag))
                && !flag.is_unsure(tag)
        };
        let changing = self.flag.iter().filter(there).map(|flag| flag.name.as_str());
        Some(self.always.iter().map(String::as_str).chain(changing).collect())
    }
}
