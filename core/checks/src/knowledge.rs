use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

use crate::{Advisories, BundleMark, ChangedFlags, K3sFlags, KnowledgeError, Releases, Removed, Replacements, Rule};

mod merge;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Everything that is known about risks and releases: rules, release tables, flag tables, advisories.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// Sorted by id.
    pub rules: Vec<Arc<Rule>>,
    pub releases: Releases,
    /// Of `k3s server`.
    pub flags: K3sFlags,
    /// Of `k3s agent`.
    pub agent_flags: K3sFlags,
    pub removed: Removed,
    pub advisories: Advisories,
    pub changed: ChangedFlags,
    pub replacements: Replacements,
    /// The last day on which something of what the build carries was looked up.
    pub build_as_of: Date,
    /// The bundles that were added to what the build carries, in order.
    pub bundles: Vec<BundleMark>,
    /// What was known before somebody else's key added to it: nothing of that is ever lost.
    pub(crate) floor: Option<Box<Self>>,
}

/// How a rule is read, from its file's name and its text.
type ReadRule = fn(&str, &str) -> Result<Rule, KnowledgeError>;

impl Knowledge {
    /// What this build carries (`core/checks/knowledge/`).
    ///
    /// # Errors
    /// When a file of it is broken; a test of this crate keeps such a build from being made.
    pub fn embedded() -> Result<Self, KnowledgeError> {
        let (releases, flags) =
            (include_str!("../knowledge/releases.toml"), include_str!("../knowledge/server-flags.toml"));
        Self::read(RULES, releases, flags, Rule::tested)
    }

    /// Knowledge from texts: rules as (file name without `.toml`, text), the release and the flag table; every other
    /// table is the embedded one.
    ///
    /// # Errors
    /// When a text is broken, or two rules have the same id.
    pub fn parse(rules: &[(&str, &str)], releases: &str, flags: &str) -> Result<Self, KnowledgeError> {
        Self::read(rules, releases, flags, Rule::parse)
    }

    fn read(rules: &[(&str, &str)], releases: &str, flags: &str, read: ReadRule) -> Result<Self, KnowledgeError> {
        let mut rules: Vec<Arc<Rule>> =
            rules.iter().map(|(name, text)| read(name, text).map(Arc::new)).collect::<Result<_, _>>()?;
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let mut seen = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !seen.insert(rule.id.as_str())) {
            return Err(KnowledgeError::rule("rules", format!("two rules have the id `{}`", twice.id)));
        }
        let releases = Releases::parse(releases)?;
        let flags = K3sFlags::parse("server-flags.toml", flags)?;
        let agent_flags = K3sFlags::parse("agent-flags.toml", include_str!("../knowledge/agent-flags.toml"))?;
        let removed = Removed::parse(include_str!("../knowledge/removed.toml"))?;
        let advisories = Advisories::parse(include_str!("../knowledge/advisories.toml"))?;
        let changed = ChangedFlags::parse(include_str!("../knowledge/changed-flags.toml"))?;
        let replacements = Replacements::parse(include_str!("../knowledge/replacements.toml"))?;
        let tables = [releases.as_of, flags.as_of, agent_flags.as_of, removed.as_of, advisories.as_of, changed.as_of];
        let build_as_of = rules.iter().map(|rule| rule.as_of).chain(tables).max().unwrap_or(releases.as_of);
        Ok(Self {
            rules,
            releases,
            flags,
            agent_flags,
            removed,
            advisories,
            changed,
            replacements,
            build_as_of,
            bundles: Vec::new(),
            floor: None,
        })
    }

    /// The rule with this id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id).map(Arc::as_ref)
    }

    /// The ids that were most likely meant by `text`, best first: those that contain it, else the one that is fewest
    /// letters away from it.
    #[must_use]
    pub fn nearest(&self, text: &str) -> Vec<&str> {
        let text = text.to_ascii_lowercase();
        let ids = || self.rules.iter().map(|rule| rule.id.as_str());
        let named = text.trim_start_matches("belay-");
        let containing: Vec<&str> = ids().filter(|id| !named.is_empty() && id.contains(named)).take(5).collect();
        if !containing.is_empty() {
            return containing;
        }
        ids().min_by_key(|id| distance(id.trim_start_matches("belay-"), named)).into_iter().collect()
    }
}

/// Letters to add, drop or change to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (index, from) in a.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        let mut next = vec![left];
        for (to, above) in b.chars().zip(row.iter().skip(1).copied()) {
            let change = diagonal.saturating_add(usize::from(from != to));
            left = change.min(above.saturating_add(1)).min(left.saturating_add(1));
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{RULES, Rule};

    /// What `Rule::tested` leaves to be compiled later: it compiles, and asks for nothing that the rest of its rule does not.
    #[test]
    fn evidence_of_this_build_compiles_and_asks_for_nothing_more() {
        for (name, text) in RULES {
            let (whole, tested) = (Rule::parse(name, text).unwrap(), Rule::tested(name, text).unwrap());
            let needs = |rule: &Rule| (rule.needs_target, rule.needs_objects, rule.needs_manifests, rule.needs_deep);
            assert_eq!(needs(&whole), needs(&tested), "{name}");
        }
    }
}
