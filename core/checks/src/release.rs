use std::collections::BTreeSet;

use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::rule::{date, maybe_date};
use crate::{KnowledgeError, Severity};

/// The release tables (`knowledge/releases.toml`): what each full tag carries and what is wrong with it. Keyed by the
/// full tag, since components change in patch releases and `+k3sN` respins (F148).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    #[serde(deserialize_with = "date")]
    pub as_of: Date,
    pub sources: Vec<String>,
    minor: Vec<Minor>,
    component: Vec<Component>,
    pub(crate) hazard: Vec<Hazard>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Minor {
    minor: u32,
    first: K3sVersion,
    latest: K3sVersion,
    #[serde(deserialize_with = "date")]
    latest_on: Date,
    #[serde(default, deserialize_with = "maybe_date")]
    end_of_life: Option<Date>,
    /// Every release of it; empty where the tables do not list them.
    #[serde(default)]
    builds: Vec<K3sVersion>,
}

/// One version of one component, over a range of tags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    name: ComponentName,
    version: String,
    from: K3sVersion,
    before: Option<K3sVersion>,
}

impl Component {
    fn range(&self) -> Range {
        Range { from: self.from.clone(), before: self.before.clone() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ComponentName {
    Etcd,
    Containerd,
    Kine,
}

/// From a tag to just before another one of the same minor; without an end up to the last tag that the table knows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: K3sVersion,
    before: Option<K3sVersion>,
}

/// A release that should not be gone to, and why.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hazard {
    pub id: String,
    pub severity: Severity,
    pub problem: String,
    /// Where it is repaired, in words.
    pub fixed: String,
    /// The datastore on which it matters: `sqlite`, `etcd`, `external` or `any`.
    #[serde(default = "any")]
    pub datastore: String,
    pub sources: Vec<String>,
    #[serde(skip_serializing)]
    ranges: Vec<Range>,
}

fn any() -> String {
    "any".to_owned()
}

/// What the tables say about one tag. `None` is "not known", which a rule sees as unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    /// The tag lies in the range that the tables cover, and is no pre-release or development build.
    pub known: bool,
    /// Of etcd, such as `3.6.7`.
    pub etcd: Option<String>,
    pub etcd_minor: Option<u32>,
    pub etcd_patch: Option<u32>,
    pub containerd_minor: Option<String>,
    pub kine_minor: Option<String>,
    pub end_of_life: Option<Date>,
    /// The latest known tag of the same minor, and its date.
    pub latest: Option<K3sVersion>,
    pub latest_on: Option<Date>,
    pub hazards: Vec<Hazard>,
}

impl Release {
    /// The minors of what writes to disk beside Kubernetes itself, by name, where they are known.
    #[must_use]
    pub fn minors(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("etcd", self.etcd.as_deref().map(minor_name)),
            ("kine", self.kine_minor.clone()),
            ("containerd", self.containerd_minor.clone()),
        ]
    }
}

impl Releases {
    /// Reads `knowledge/releases.toml`.
    ///
    /// # Errors
    /// When it is not TOML of this shape, or a range leaves its minor or is empty.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let file = "releases.toml";
        let tables: Self = toml::from_str(text)
            .map_err(|source| KnowledgeError::Toml { file: file.into(), source: Box::new(source) })?;
        tables.proven()
    }

    /// The tables as they are, when they are sound.
    pub(crate) fn proven(self) -> Result<Self, KnowledgeError> {
        let file = "releases.toml";
        for minor in &self.minor {
            let ends = minor.builds.first().zip(minor.builds.last());
            let whole = ends.is_none_or(|ends| ends == (&minor.first, &minor.latest)) && minor.builds.is_sorted();
            if !whole {
                let why = format!("the builds of 1.{} do not go from the first to the latest, in order", minor.minor);
                return Err(KnowledgeError::rule(file, why));
            }
        }
        let ranges = self.component.iter().map(Component::range);
        if let Some(why) = ranges.chain(self.hazard.iter().flat_map(|h| h.ranges.clone())).find_map(|r| self.wrong(&r))
        {
            return Err(KnowledgeError::rule(file, why));
        }
        Ok(self)
    }

    /// Why a hazard says nothing here: it names no range, or one that these tables do not cover.
    pub(crate) fn foreign(&self, hazard: &Hazard) -> Option<String> {
        if hazard.ranges.is_empty() {
            return Some("it names no range".to_owned());
        }
        hazard.ranges.iter().find_map(|range| {
            let unknown = !self.knows(&range.from);
            self.wrong(range).or_else(|| unknown.then(|| format!("{} is not in the release tables", range.from)))
        })
    }

    fn wrong(&self, range: &Range) -> Option<String> {
        if self.minor_of(&range.from).is_none() {
            return Some(format!("{} belongs to no [[minor]]", range.from));
        }
        let before = range.before.as_ref();
        let empty = before.is_some_and(|before| *before <= range.from || before.minor != range.from.minor);
        empty.then(|| format!("the range from {} is empty or leaves its minor", range.from))
    }

    fn minor_of(&self, tag: &K3sVersion) -> Option<&Minor> {
        self.minor.iter().find(|minor| tag.major == 1 && minor.minor == tag.minor)
    }

    fn knows(&self, tag: &K3sVersion) -> bool {
        let covered = |minor: &Minor| minor.first <= *tag && *tag <= minor.latest;
        tag.pre.is_none() && tag.k3s.is_some() && self.minor_of(tag).is_some_and(covered)
    }

    fn covers(&self, range: &Range, tag: &K3sVersion) -> bool {
        let before = range.before.as_ref().is_none_or(|before| tag < before);
        self.knows(tag) && tag.minor == range.from.minor && range.from <= *tag && before
    }

    fn component(&self, name: ComponentName, tag: &K3sVersion) -> Option<&str> {
        let found = self.component.iter().find(|c| c.name == name && self.covers(&c.range(), tag));
        found.map(|component| component.version.as_str())
    }

    /// The newest tag of every minor that the tables know, oldest minor first.
    pub fn latest(&self) -> impl Iterator<Item = &K3sVersion> {
        self.minor.iter().map(|minor| &minor.latest)
    }

    /// Every release that is known to exist, oldest first: those that are listed, and of the other minors the tags that the
    /// tables name.
    #[must_use]
    pub fn builds(&self) -> BTreeSet<&K3sVersion> {
        let listed = self.minor.iter().flat_map(|minor| &minor.builds);
        let ends = self.minor.iter().flat_map(|minor| [&minor.first, &minor.latest]);
        let begun = self.component.iter().map(|component| &component.from);
        listed.chain(ends).chain(begun).filter(|tag| self.exists(tag)).collect()
    }

    /// Whether `tag` is a release, as far as the tables can say: in a minor whose builds are not listed every tag that they
    /// cover may be one.
    #[must_use]
    pub fn exists(&self, tag: &K3sVersion) -> bool {
        let listed = |minor: &Minor| minor.builds.is_empty() || minor.builds.contains(tag);
        self.knows(tag) && self.minor_of(tag).is_some_and(listed)
    }

    /// The known releases just below and just above `tag`.
    #[must_use]
    pub fn nearest(&self, tag: &K3sVersion) -> Vec<&K3sVersion> {
        let builds = self.builds();
        let below = builds.iter().rfind(|build| **build < tag);
        let above = builds.iter().find(|build| **build > tag);
        below.into_iter().chain(above).copied().collect()
    }

    /// Whether `tag` may be a release that came out after the tables: a later patch of their minors.
    #[must_use]
    pub fn may_be_newer(&self, tag: &K3sVersion) -> bool {
        self.minor_of(tag).is_some_and(|minor| minor.latest < *tag)
    }

    /// What is known about `tag`.
    #[must_use]
    pub fn look_up(&self, tag: &K3sVersion) -> Release {
        let minor = self.minor_of(tag);
        let etcd = self.component(ComponentName::Etcd, tag);
        let etcd_part =
            |index| etcd.and_then(|version| version.split('.').nth(index)).and_then(|part| part.parse().ok());
        let minor_part = |name| self.component(name, tag).map(minor_name);
        let of_tag = |hazard: &&Hazard| hazard.ranges.iter().any(|range| self.covers(range, tag));
        Release {
            known: self.knows(tag),
            etcd: etcd.map(str::to_owned),
            etcd_minor: etcd_part(1),
            etcd_patch: etcd_part(2),
            containerd_minor: minor_part(ComponentName::Containerd),
            kine_minor: minor_part(ComponentName::Kine),
            end_of_life: minor.and_then(|minor| minor.end_of_life),
            latest: minor.map(|minor| minor.latest.clone()),
            latest_on: minor.map(|minor| minor.latest_on),
            hazards: self.hazard.iter().filter(of_tag).cloned().collect(),
        }
    }
}

/// `2.2` of `2.2.3`.
fn minor_name(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}
