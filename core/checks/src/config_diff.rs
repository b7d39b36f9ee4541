use belay_facts::{ConfigKey, K3sVersion, NodeFacts, NodeRole};
use serde::Serialize;

use crate::Knowledge;

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

/// The keys that pass flags on to a component, the component's name in the tables, and what it is called.
const COMPONENTS: [(&str, &str); 7] = [
    ("kubelet-arg", "kubelet"),
    ("kube-apiserver-arg", "apiserver"),
    ("kube-controller-manager-arg", "controller"),
    ("kube-controller-arg", "controller"),
    ("kube-scheduler-arg", "scheduler"),
    ("kube-proxy-arg", "proxy"),
    ("etcd-arg", "etcd"),
];

/// What `to` does with the configuration of `node`, which runs `from`; in merge order, as the node's facts have it.
#[must_use]
pub fn config_diff(node: &NodeFacts, from: &K3sVersion, to: &K3sVersion, knowledge: &Knowledge) -> Vec<ConfigLine> {
    let diff = Diff { node, from, to, knowledge };
    node.config.keys.iter().flat_map(|entry| diff.lines(entry)).collect()
}

struct Diff<'a> {
    node: &'a NodeFacts,
    from: &'a K3sVersion,
    to: &'a K3sVersion,
    knowledge: &'a Knowledge,
}

impl Diff<'_> {
    fn lines(&self, entry: &ConfigKey) -> Vec<ConfigLine> {
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
        let component = COMPONENTS.iter().find(|(name, _)| *name == entry.key).map(|(_, component)| *component);
        // A key that K3s does not read passes nothing on.
        let passed_on = matches!(key.0, Fate::Unchanged | Fate::ChangedDefault | Fate::Unknown);
        let Some(component) = component.filter(|_| passed_on) else {
            return vec![line(entry.key.clone(), entry.values.join(", "), key)];
        };
        let mut lines = Vec::new();
        for argument in &entry.values {
            let argument = argument.trim_start_matches('-');
            let (name, value) = argument.split_once('=').unwrap_or((argument, "true"));
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

    /// A flag of K3s itself.
    fn of_key(&self, entry: &ConfigKey) -> (Fate, String) {
        let key = entry.key.as_str();
        if self.node.role != NodeRole::Server {
            return (Fate::Unknown, "the tables here are those of servers".to_owned());
        }
        let (Some(now), Some(then)) = (self.knowledge.flags.of(self.from), self.knowledge.flags.of(self.to)) else {
            return (Fate::Unknown, format!("which flags {} and {} have is not known here", self.from, self.to));
        };
        let (to, from) = (self.to, self.from);
        match (then.contains(key), now.contains(key), entry.source.as_str()) {
            (true, false, "environment" | "unit") => (Fate::Unchanged, String::new()),
            (true, false, _) => (Fate::ChangedDefault, format!("{from} skips it, {to} obeys it")),
            (true, true, _) => self.changed("k3s", key),
            (false, _, "environment") => (Fate::Ignored, "no flag of K3s reads this variable".to_owned()),
            (false, _, "unit") => (Fate::Fatal, format!("{to} does not know it, and does not start with it")),
            (false, true, _) => (Fate::Gone, format!("{to} does not know it and skips it: what it did ends")),
            (false, false, _) => (Fate::Ignored, format!("{from} skips it, and {to} does")),
        }
    }

    /// A flag of a component, as far as its removal or change is known.
    fn of_argument(&self, component: &str, name: &str) -> (Fate, String) {
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
        match self.knowledge.components.removed(component, name) {
            Some(until) if self.to.minor >= until => {
                (Fate::Fatal, format!("the {component} of {minor} does not know it and exits, and K3s with it"))
            }
            _ => self.changed(component, name),
        }
    }

    fn of_gate(&self, name: &str) -> (Fate, String) {
        match self.knowledge.components.gate_removed(name) {
            Some(until) if self.to.minor >= until => {
                let minor = self.to.minor_name();
                (Fate::Fatal, format!("{minor} does not know this gate: the component exits, and K3s with it"))
            }
            _ => (Fate::Unchanged, String::new()),
        }
    }

    fn changed(&self, component: &str, name: &str) -> (Fate, String) {
        match self.knowledge.components.changed(component, name) {
            Some((since, how)) if self.from.minor < since && since <= self.to.minor => {
                (Fate::ChangedDefault, format!("from 1.{since} on: {how}"))
            }
            _ => (Fate::Unchanged, String::new()),
        }
    }
}
