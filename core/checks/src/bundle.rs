use std::collections::BTreeSet;
use std::sync::Arc;

use belay_facts::Digest;
use jiff::civil::Date;
use serde::Deserialize;

use crate::removed::RemovedLists;
use crate::rule::{RuleFile, date};
use crate::{Advisory, ChangedFlags, Hazard, K3sFlags, KnowledgeError, Releases, Rule};

/// What the head of a bundle must say.
const FORMAT: &str = "knowledge/v1";

/// What messages call it.
const FILE: &str = "the bundle";

/// Knowledge that came after this build: one text with entries of the same shape as the files of `knowledge/` (ADR 0017).
/// Whose signature it carries is not in it; what it may do depends on that ([`crate::Knowledge::with`]).
#[derive(Debug)]
pub struct Bundle {
    /// Counts up with every bundle of one signer.
    pub serial: u32,
    pub date: Date,
    /// Of its text.
    pub digest: Digest,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) advisories: Vec<Advisory>,
    pub(crate) hazards: Vec<Hazard>,
    pub(crate) removed: RemovedLists,
    /// Ids of entries that are wrong and go.
    pub(crate) withdrawn: BTreeSet<String>,
    /// Whole tables, instead of those of the build.
    pub(crate) releases: Option<Releases>,
    pub(crate) flags: Option<K3sFlags>,
    pub(crate) changed: Option<ChangedFlags>,
}

#[derive(Deserialize)]
struct Head {
    belay: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct BundleFile {
    #[serde(rename = "belay")]
    _belay: String,
    serial: u32,
    #[serde(deserialize_with = "date")]
    date: Date,
    #[serde(default)]
    withdraw: Vec<String>,
    #[serde(default)]
    rule: Vec<RuleFile>,
    #[serde(default)]
    advisory: Vec<Advisory>,
    #[serde(default)]
    hazard: Vec<Hazard>,
    #[serde(default)]
    removed: RemovedLists,
    releases: Option<Releases>,
    server_flags: Option<K3sFlags>,
    changed_flags: Option<ChangedFlags>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When it is of another format, no TOML of this shape, a rule of it is broken, or it names an entry twice.
    pub fn parse(text: &str) -> Result<Self, KnowledgeError> {
        let toml = |source| KnowledgeError::Toml { file: FILE.to_owned(), source: Box::new(source) };
        let head: Head = toml::from_str(text).map_err(toml)?;
        if head.belay != FORMAT {
            let why = format!("it is of format {:?}, and this build reads `{FORMAT}`", head.belay);
            return Err(KnowledgeError::rule(FILE, why));
        }
        let file: BundleFile = toml::from_str(text).map_err(toml)?;
        let compile = |raw: RuleFile| Rule::compile(&format!("{FILE}, rule {:?}", raw.id), raw).map(Arc::new);
        let bundle = Self {
            serial: file.serial,
            date: file.date,
            digest: Digest::of(text.as_bytes()),
            rules: file.rule.into_iter().map(compile).collect::<Result<_, _>>()?,
            advisories: file.advisory,
            hazards: file.hazard,
            removed: file.removed,
            withdrawn: file.withdraw.into_iter().collect(),
            releases: file.releases.map(Releases::proven).transpose()?,
            flags: file.server_flags,
            changed: file.changed_flags,
        };
        let mut seen = BTreeSet::new();
        if let Some(twice) = bundle.ids().find(|id| !seen.insert(id.clone())) {
            return Err(KnowledgeError::rule(FILE, format!("it has two entries with the id {twice:?}")));
        }
        Ok(bundle)
    }

    /// The id of everything that it brings, tables apart.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        let rules = self.rules.iter().map(|rule| rule.id.clone());
        let advisories = self.advisories.iter().map(|advisory| advisory.id.clone());
        let hazards = self.hazards.iter().map(|hazard| hazard.id.clone());
        rules.chain(advisories).chain(hazards).chain(self.removed.ids())
    }

    /// The tables that it brings whole.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'static str> {
        let releases = self.releases.as_ref().map(|_| "releases");
        let flags = self.flags.as_ref().map(|_| "server-flags");
        releases.into_iter().chain(flags).chain(self.changed.as_ref().map(|_| "changed-flags"))
    }
}
