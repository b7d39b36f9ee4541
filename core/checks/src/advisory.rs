use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::rule::date;
use crate::{KnowledgeError, Releases};

/// Security advisories with the versions that repair them (`knowledge/advisories.toml`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    pub(crate) advisory: Vec<Advisory>,
}

/// One advisory. Published ranges are of plain versions: `+k3sN` and a pre-release's suffix do not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// `CVE-2025-46599`.
    pub id: String,
    pub component: AdvisoryComponent,
    pub problem: String,
    /// The first version that is affected; without it all old ones are.
    #[serde(skip_serializing)]
    introduced: Option<Plain>,
    /// The first repaired version of each minor. A minor older than all of them was never repaired, a newer one never affected.
    #[serde(skip_serializing)]
    fixed: Vec<Plain>,
    pub sources: Vec<String>,
}

/// Whose versions an advisory speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryComponent {
    K3s,
    Kubernetes,
    Etcd,
}

/// `1.32.4` or `3.6.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Plain {
    major: u32,
    minor: u32,
    patch: u32,
}

impl TryFrom<String> for Plain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(format!("`{text}` is no version of three numbers")),
        }
    }
}

impl Advisory {
    fn affects(&self, version: Plain) -> bool {
        let line = |fixed: &&Plain| (fixed.major, fixed.minor) == (version.major, version.minor);
        let repaired = match self.fixed.iter().find(line) {
            Some(fixed) => version >= *fixed,
            // A minor between two repaired ones that names no repair has none.
            None => self.fixed.iter().max().is_some_and(|newest| version > *newest),
        };
        !repaired && self.introduced.is_none_or(|first| version >= first)
    }
}

impl Advisories {
    /// Reads `knowledge/advisories.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "advisories.toml".to_owned();
        toml::from_str(text).map_err(|source| KnowledgeError::Toml { file, source: Box::new(source) })
    }

    /// Those that speak of `tag`. Of etcd only where the release tables know which one `tag` carries.
    #[must_use]
    pub fn of(&self, tag: &K3sVersion, releases: &Releases) -> Vec<&Advisory> {
        let own = Plain { major: tag.major, minor: tag.minor, patch: tag.patch };
        let etcd = releases.look_up(tag).etcd.and_then(|version| Plain::try_from(version).ok());
        let speaks = |advisory: &&Advisory| match advisory.component {
            AdvisoryComponent::K3s | AdvisoryComponent::Kubernetes => advisory.affects(own),
            AdvisoryComponent::Etcd => etcd.is_some_and(|version| advisory.affects(version)),
        };
        self.advisory.iter().filter(speaks).collect()
    }
}
