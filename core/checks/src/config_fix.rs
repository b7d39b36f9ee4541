use belay_facts::{ConfigKey, K3sVersion, NodeFacts};
use serde::Serialize;

use crate::arguments::component_of;
use crate::config_diff::{Diff, of_a_file};
use crate::{Fate, Knowledge};

mod drop_in;
mod edit;
mod needs_you;
mod reason;
mod sift;
pub use drop_in::DropIn;
pub(crate) use drop_in::{quoted, quoted_if_needed};
pub use edit::ConfigEdit;
pub use needs_you::NeedsYou;
pub use reason::Reason;

use drop_in::Contents;

/// What stands for a secret in facts: it is never proposed anywhere.
const MASKED: &str = "(secret)";

/// Where K3s reads its configuration unless it is told otherwise.
const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

/// How one node's configuration could become one that the target obeys. A proposal: nothing is changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigFix {
    pub node: String,
    pub drop_in: Option<DropIn>,
    /// What no drop-in can say, by place: a key cannot be unset by a later file.
    pub edits: Vec<ConfigEdit>,
    pub needs_you: Vec<NeedsYou>,
}

impl ConfigFix {
    /// Nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop_in.is_none() && self.edits.is_empty() && self.needs_you.is_empty()
    }
}

/// Proposes a drop-in and edits for everything that is fatal, gone or ignored under `to` and has a known successor or
/// may go without loss; lists the rest.
#[must_use]
pub fn config_fix(node: &NodeFacts, from: &K3sVersion, to: &K3sVersion, knowledge: &Knowledge) -> ConfigFix {
    let diff = Diff { node, from, to, knowledge };
    let mut planner = Planner {
        path: drop_in_path(node, to),
        diff,
        contents: Contents::default(),
        edits: Vec::new(),
        needs_you: Vec::new(),
    };
    let mut passing: Vec<&str> = Vec::new();
    for (at, entry) in (0..).zip(&node.config.keys) {
        if component_of(&entry.key).is_none() || !planner.diff.passes_on(entry) {
            planner.key(at, entry);
        } else if !passing.contains(&entry.key.as_str()) {
            passing.push(&entry.key);
        }
    }
    for key in passing {
        planner.arguments(key);
    }
    let Planner { path, contents, mut edits, needs_you, .. } = planner;
    edits.sort_by(|a, b| (&a.source, a.line).cmp(&(&b.source, b.line)));
    let drop_in = path.and_then(|path| contents.into_drop_in(&path, to));
    ConfigFix { node: node.name.clone(), drop_in, edits, needs_you }
}

/// A name that no file has yet; `None` when the configuration does not lie in files.
fn drop_in_path(node: &NodeFacts, to: &K3sVersion) -> Option<String> {
    let named = |source: &str| {
        let mut entries = node.config.keys.iter().rev();
        entries.find(|entry| entry.key == "config" && entry.source == source).and_then(|entry| entry.values.last())
    };
    let base = named("unit").or_else(|| named("environment")).map_or(CONFIG, String::as_str);
    if !base.starts_with('/') {
        return None;
    }
    let name = |again: u32| match again {
        0 => format!("{base}.d/90-belay-{to}.yaml"),
        again => format!("{base}.d/90-belay-{to}.{again}.yaml"),
    };
    (0..100).map(name).find(|path| !node.config.files.contains(path))
}

struct Planner<'a> {
    diff: Diff<'a>,
    path: Option<String>,
    contents: Contents,
    edits: Vec<ConfigEdit>,
    needs_you: Vec<NeedsYou>,
}

impl Planner<'_> {
    /// A key of K3s itself.
    fn key(&mut self, at: usize, entry: &ConfigKey) {
        let (fate, why) = self.diff.of_key(entry);
        if !to_be_fixed(fate) {
            return;
        }
        let rule = self.rule_of_key(&entry.key, fate);
        let reason = |why: String| Reason { what: entry.key.clone(), why, rule: rule.clone() };
        let mut reasons = Vec::new();
        let mut stuck: Option<String> = None;
        if entry.values.iter().any(|value| value.contains(MASKED)) {
            stuck = Some(format!("{why}; its value is a secret, which is not moved for you"));
        }
        let later = self.diff.replaced_by(at, entry).map(|later| later.source.clone());
        if let (Fate::Ignored, _) | (_, Some(_)) = (fate, &later) {
            // What nobody reads gets no successor: that one would be read.
            reasons.push(reason(match later {
                Some(later) => format!("{later} has the key as well and takes its place"),
                None => {
                    let value = entry.values.first().map_or("", String::as_str);
                    match self.diff.knowledge.replacements.of("k3s", &entry.key, value) {
                        Some(successor) => format!("{why}; if it is still wanted: {}", successor.why),
                        None => format!("{why}; correct it instead if it is misspelt"),
                    }
                }
            }));
        } else {
            for value in &entry.values {
                if stuck.is_some() {
                    break;
                }
                let Some(replacement) = self.diff.knowledge.replacements.of("k3s", &entry.key, value) else {
                    stuck = Some(why.clone());
                    break;
                };
                let told = reason(replacement.why.clone());
                stuck = self.supply(replacement, value, told.clone()).err();
                reasons.push(told);
            }
        }
        if let Some(why) = stuck {
            self.ask(entry, &entry.values.join(", "), fate, reason(why));
            return;
        }
        reasons.dedup();
        self.edits.push(ConfigEdit {
            source: entry.source.clone(),
            line: entry.line,
            key: entry.key.clone(),
            remove: entry.values.clone(),
            keep: Vec::new(),
            reasons,
        });
    }

    /// A key that passes flags on, in all the places that it stands in.
    fn arguments(&mut self, key: &str) {
        let node = self.diff.node;
        let mut files = Vec::new();
        for (at, entry) in (0..).zip(&node.config.keys) {
            if entry.key != key || self.diff.replaced_by(at, entry).is_some() {
                continue;
            }
            let sifted = self.sift(entry);
            if of_a_file(entry) {
                files.push((entry, sifted));
            } else if !sifted.reasons.is_empty() {
                self.edits.push(sifted.edit(entry));
            }
        }
        if files.iter().all(|(_, sifted)| sifted.reasons.is_empty()) {
            return;
        }
        // The last file alone counts; so a drop-in before it says nothing, and one after it has to say everything.
        let last = files.last().map(|(entry, _)| entry.source.as_str());
        if self.is_behind(last) {
            let (mut values, mut reasons) = (Vec::new(), Vec::new());
            for (_, sifted) in files {
                values.extend(sifted.keep);
                reasons.extend(sifted.reasons);
            }
            self.contents.list(key, values, reasons);
        } else {
            let changed = files.into_iter().filter(|(_, sifted)| !sifted.reasons.is_empty());
            self.edits.extend(changed.map(|(entry, sifted)| sifted.edit(entry)));
        }
    }

    /// The drop-in is read after this file.
    fn is_behind(&self, file: Option<&str>) -> bool {
        let Some(path) = &self.path else { return false };
        let Some((dir, name)) = path.rsplit_once('/') else { return false };
        match file.and_then(|file| file.rsplit_once('/')) {
            Some((there, other)) if there == dir => other < name,
            // The base file, before all drop-ins.
            _ => true,
        }
    }

    fn ask(&mut self, entry: &ConfigKey, value: &str, fate: Fate, reason: Reason) {
        let (value, source) = (value.to_owned(), entry.source.clone());
        self.needs_you.push(NeedsYou { value, source, line: entry.line, fate, reason });
    }

    fn rule_of_key(&self, key: &str, fate: Fate) -> Option<String> {
        match fate {
            // What it did has ended already.
            Fate::Ignored => self.first_rule(&["belay-config-key-ignored".to_owned()]),
            _ => self.first_rule(&[format!("belay-flag-{key}-gone"), "belay-config-key-unknown-to-target".to_owned()]),
        }
    }

    fn first_rule(&self, ids: &[String]) -> Option<String> {
        ids.iter().find(|id| self.diff.knowledge.rule(id).is_some()).cloned()
    }
}

/// What this is about: other settings are obeyed, or nobody knows.
const fn to_be_fixed(fate: Fate) -> bool {
    matches!(fate, Fate::Fatal | Fate::Gone | Fate::Ignored)
}
