use belay_facts::{ConfigKey, K3sVersion, NodeFacts, NodeRole};
use serde::Serialize;

use crate::arguments::component_of;
use crate::{K3sFlags, Knowledge};

mod fate;
pub use fate::Fate;

/// What a release does with one key, flag or feature gate of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigLine {
    pub node: String,
    /// `kubelet-arg: fail-cgroupv1`, `kubelet-arg: feature-gates: KMSv2`, or the plain key.
    pub name: String,
    /// As written; secrets are masked in the facts already.
    pub value: String,
    /// A file, `environment` or `unit` (ExecStart).
    pub source: String,
    /// 1-based; 0 where there are no lines.
    pub line: u32,
    pub fate: Fate,
    /// Why, in one sentence; empty when it is unchanged.
    pub why: String,
}

/// What `to` does with the configuration of `node`, which runs `from`; in merge order, as the node's facts have it.
#[must_use]
pub fn config_diff(node: &NodeFacts, from: &K3sVersion, to: &K3sVersion, knowledge: &Knowledge) -> Vec<ConfigLine> {
    let diff = Diff { node, from, to, knowledge };
    (0..).zip(&node.config.keys).flat_map(|(at, entry)| diff.lines(at, entry)).collect()
}

/// What stands in a file, and not in the environment or the unit.
pub(crate) fn of_a_file(entry: &ConfigKey) -> bool {
    !matches!(entry.source.as_str(), "environment" | "unit")
}

/// Name and value of an argument, without what K3s takes off the name.
pub(crate) fn named(argument: &str) -> (&str, &str) {
    let argument = argument.trim_start_matches('-');
    let (name, value) = argument.split_once('=').unwrap_or((argument, "true"));
    (name.trim_end_matches(['-', '+']), value)
}

/// One edge of one node.
pub(crate) struct Diff<'a> {
    pub(crate) node: &'a NodeFacts,
    pub(crate) from: &'a K3sVersion,
    pub(crate) to: &'a K3sVersion,
    pub(crate) knowledge: &'a Knowledge,
}

impl Diff<'_> {
    /// A key that K3s does not read passes nothing on.
    pub(crate) fn passes_on(&self, entry: &ConfigKey) -> bool {
        matches!(self.of_key(entry).0, Fate::Unchanged | Fate::ChangedDefault | Fate::Unknown)
    }

    /// The later file that takes the place of the entry at `at`: of files, the last one without `+` alone counts. The
    /// unit's values come on top of those of the files, they do not take their place (K3s `pkg/configfilearg/parser.go`).
    pub(crate) fn replaced_by(&self, at: usize, entry: &ConfigKey) -> Option<&ConfigKey> {
        let later = |later: &&ConfigKey| later.key == entry.key && of_a_file(later) && !later.append;
        self.node.config.keys.iter().skip(at.saturating_add(1)).find(later).filter(|_| of_a_file(entry))
    }

    fn lines(&self, at: usize, entry: &ConfigKey) -> Vec<ConfigLine> {
        let line = |name: String, value: String, (fate, why): (Fate, String)| ConfigLine {
            node: self.node.name.clone(),
            name,
            value,
            source: entry.source.clone(),
            line: entry.line,
            fate,
            why,
        };
        let key = self.of_key(entry);
        let Some(component) = component_of(&entry.key).filter(|_| self.passes_on(entry)) else {
            return vec![line(entry.key.clone(), entry.values.join(", "), key)];
        };
        if let Some(later) = self.replaced_by(at, entry) {
            let why = format!("{} has the key as well and takes its place", later.source);
            return vec![line(entry.key.clone(), entry.values.join(", "), (Fate::Ignored, why))];
        }
        let mut lines = Vec::new();
        for argument in &entry.values {
            let (name, value) = named(argument);
            if name == "feature-gates" {
                lines.extend(value.split(',').filter(|gate| !gate.trim().is_empty()).map(|gate| {
                    let (gate, on) = gate.split_once('=').unwrap_or((gate, "true"));
                    let gate = gate.trim();
                    line(format!("{}: feature-gates: {gate}", entry.key), on.to_owned(), self.of_gate(gate))
                }));
            } else {
                let fate = self.of_argument(component, name);
                lines.push(line(format!("{}: {name}", entry.key), value.to_owned(), fate));
            }
        }
        lines
    }

    /// K3s of this release reads the key on this node; no when that is not known.
    pub(crate) fn knows(&self, tag: &K3sVersion, key: &str) -> bool {
        self.table().and_then(|table| table.of(tag)).is_some_and(|flags| flags.contains(key))
    }

    /// The flags of what the node runs.
    fn table(&self) -> Option<&K3sFlags> {
        match self.node.role {
            NodeRole::Server => Some(&self.knowledge.flags),
            NodeRole::Agent => Some(&self.knowledge.agent_flags),
            NodeRole::None => None,
        }
    }

    /// A flag of K3s itself.
    pub(crate) fn of_key(&self, entry: &ConfigKey) -> (Fate, String) {
        let key = entry.key.as_str();
        let Some(table) = self.table() else {
            return (Fate::Unknown, "this node runs neither a server nor an agent".to_owned());
        };
        let (Some(now), Some(then)) = (table.of(self.from), table.of(self.to)) else {
            return (Fate::Unknown, format!("which flags {} and {} have is not known here", self.from, self.to));
        };
        if let Some(tag) = [self.to, self.from].into_iter().find(|tag| table.unsure(tag, key)) {
            return (Fate::Unknown, format!("whether {tag} has this flag is not known here"));
        }
        let agent = self.node.role == NodeRole::Agent;
        let (to, from) = (self.to, self.from);
        match (then.contains(key), now.contains(key), entry.source.as_str()) {
            (true, false, "environment" | "unit") => (Fate::Unchanged, String::new()),
            // What it does not know keeps an agent from starting, wherever it stands: nobody skips it today.
            (true, false, _) if agent => (Fate::Unchanged, String::new()),
            (true, false, _) => (Fate::ChangedDefault, format!("{from} skips it, {to} obeys it")),
            (true, true, _) => self.changed("k3s", key),
            (false, _, "environment") => (Fate::Ignored, "no flag of K3s reads this variable".to_owned()),
            (false, _, "unit") => (Fate::Fatal, format!("{to} does not know it, and does not start with it")),
            // A server strips its files of it first; an agent hands them to the parser as they are.
            (false, _, _) if agent => {
                (Fate::Fatal, format!("the agent of {to} does not know it, and does not start with it"))
            }
            (false, true, _) => (Fate::Gone, format!("{to} does not know it and skips it: what it did ends")),
            (false, false, _) => (Fate::Ignored, format!("{from} skips it, and {to} does")),
        }
    }

    /// A flag of a component, as far as its removal or change is known.
    pub(crate) fn of_argument(&self, component: &str, name: &str) -> (Fate, String) {
        let minor = self.to.minor_name();
        if component == "etcd" {
            let etcd = self.knowledge.releases.look_up(self.to).etcd_minor;
            return match etcd {
                Some(7..) if name.starts_with("experimental-") => {
                    (Fate::Ignored, "etcd 3.7 has no experimental flags and drops what it does not know".to_owned())
                }
                None if name.starts_with("experimental-") => {
                    (Fate::Unknown, format!("which etcd {} carries is not known here", self.to))
                }
                _ => (Fate::Unchanged, String::new()),
            };
        }
        match self.knowledge.removed.flag(component, name) {
            Some(until) if self.to.minor >= until => {
                (Fate::Fatal, format!("the {component} of {minor} does not know it and exits, and K3s with it"))
            }
            _ => self.changed(component, name),
        }
    }

    pub(crate) fn of_gate(&self, name: &str) -> (Fate, String) {
        match self.knowledge.removed.gate(name) {
            Some(until) if self.to.minor >= until => {
                let minor = self.to.minor_name();
                (Fate::Fatal, format!("{minor} does not know this gate: the component exits, and K3s with it"))
            }
            _ => (Fate::Unchanged, String::new()),
        }
    }

    fn changed(&self, component: &str, name: &str) -> (Fate, String) {
        match self.knowledge.changed.of(component, name) {
            Some((since, how)) if self.from.minor < since && since <= self.to.minor => {
                (Fate::ChangedDefault, format!("from 1.{since} on: {how}"))
            }
            _ => (Fate::Unchanged, String::new()),
        }
    }
}
