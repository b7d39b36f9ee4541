use std::collections::BTreeSet;

use crate::{Advisories, KnowledgeError, Releases, Removed, Rule, ServerFlags};

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Everything that is known about risks and releases: rules, release tables, flag tables, advisories.
#[derive(Debug)]
pub struct Knowledge {
    /// Sorted by id.
    pub rules: Vec<Rule>,
    pub releases: Releases,
    pub flags: ServerFlags,
    pub removed: Removed,
    pub advisories: Advisories,
}

impl Knowledge {
    /// What this build carries (`core/checks/knowledge/`).
    ///
    /// # Errors
    /// When a file of it is broken; a test of this crate keeps such a build from being made.
    pub fn embedded() -> Result<Self, KnowledgeError> {
        Self::parse(RULES, include_str!("../knowledge/releases.toml"), include_str!("../knowledge/server-flags.toml"))
    }

    /// Knowledge from texts: rules as (file name without `.toml`, text), the release and the flag table; the tables of what was
    /// removed and of advisories are the embedded ones.
    ///
    /// # Errors
    /// When a text is broken, or two rules have the same id.
    pub fn parse(rules: &[(&str, &str)], releases: &str, flags: &str) -> Result<Self, KnowledgeError> {
        let mut rules: Vec<Rule> =
            rules.iter().map(|(name, text)| Rule::parse(name, text)).collect::<Result<_, _>>()?;
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let mut seen = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !seen.insert(rule.id.as_str())) {
            return Err(KnowledgeError::rule("rules", format!("two rules have the id `{}`", twice.id)));
        }
        Ok(Self {
            rules,
            releases: Releases::parse(releases)?,
            flags: ServerFlags::parse(flags)?,
            removed: Removed::parse(include_str!("../knowledge/removed.toml"))?,
            advisories: Advisories::parse(include_str!("../knowledge/advisories.toml"))?,
        })
    }

    /// The rule with this id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}
