//! The arguments of one entry: which stay, which go, and what takes their place.

use belay_facts::ConfigKey;

use super::{ConfigEdit, Planner, Reason, to_be_fixed};
use crate::Replacement;
use crate::arguments::component_of;
use crate::config_diff::{named, of_a_file};

/// One entry's values, sorted.
pub(super) struct Sifted {
    pub(super) keep: Vec<String>,
    removed: Vec<String>,
    /// One for each flag or gate that goes; empty when everything stays.
    pub(super) reasons: Vec<Reason>,
}

impl Sifted {
    pub(super) fn edit(self, entry: &ConfigKey) -> ConfigEdit {
        let Self { keep, removed: remove, reasons } = self;
        let (source, key) = (entry.source.clone(), entry.key.clone());
        ConfigEdit { source, line: entry.line, key, remove, keep, reasons }
    }
}

impl Planner<'_> {
    pub(super) fn sift(&mut self, entry: &ConfigKey) -> Sifted {
        let mut sifted = Sifted { keep: Vec::new(), removed: Vec::new(), reasons: Vec::new() };
        let component = component_of(&entry.key).unwrap_or_default();
        for argument in &entry.values {
            let (name, value) = named(argument);
            if name == "feature-gates" {
                self.gates(entry, argument, value, &mut sifted);
                continue;
            }
            let (fate, why) = self.diff.of_argument(component, name);
            if !to_be_fixed(fate) {
                sifted.keep.push(argument.clone());
                continue;
            }
            let what = format!("{}: {name}", entry.key);
            let rule = self.rule_of_flag(component, name);
            let told = |why: String| Reason { what: what.clone(), why, rule: rule.clone() };
            let replacement = self.diff.knowledge.replacements.of(component, name, value);
            let done = match replacement {
                None => Err(why),
                Some(replacement) => {
                    let reason = told(replacement.why.clone());
                    self.supply(replacement, value, reason.clone()).map(|()| reason)
                }
            };
            match done {
                Ok(reason) => {
                    sifted.removed.push(argument.clone());
                    sifted.reasons.push(reason);
                }
                Err(why) => {
                    sifted.keep.push(argument.clone());
                    self.ask(entry, value, fate, told(why));
                }
            }
        }
        sifted
    }

    /// `feature-gates=A=true,B=false`, gate by gate.
    fn gates(&mut self, entry: &ConfigKey, argument: &str, value: &str, sifted: &mut Sifted) {
        let mut keep = Vec::new();
        let before = sifted.reasons.len();
        for gate in value.split(',').filter(|gate| !gate.trim().is_empty()) {
            let (name, on) = gate.split_once('=').unwrap_or((gate, "true"));
            let (name, on) = (name.trim(), on.trim());
            let (fate, why) = self.diff.of_gate(name);
            if !to_be_fixed(fate) {
                keep.push(gate);
                continue;
            }
            let rule = self.rule_of_gate(name);
            let told = |why: String| Reason { what: format!("{}: feature-gates: {name}", entry.key), why, rule };
            if on.eq_ignore_ascii_case("true") {
                let why = "the feature became a fixed part of Kubernetes or was given up: nobody asks for the gate";
                sifted.reasons.push(told(why.to_owned()));
            } else {
                // Without the gate the running version may begin to do what the gate keeps away.
                keep.push(gate);
                self.ask(entry, on, fate, told(format!("{why}; what it keeps away is there without it")));
            }
        }
        if sifted.reasons.len() == before {
            sifted.keep.push(argument.to_owned());
            return;
        }
        sifted.removed.push(argument.to_owned());
        if !keep.is_empty() {
            let head = argument.split_once('=').map_or(argument, |(head, _)| head);
            sifted.keep.push(format!("{head}={}", keep.join(",")));
        }
    }

    /// Writes the successor into the drop-in, unless it is in force already; the reason when a drop-in cannot say it.
    pub(super) fn supply(&mut self, replacement: &Replacement, value: &str, reason: Reason) -> Result<(), String> {
        let Some(key) = &replacement.key else { return Ok(()) };
        let value = replacement.value.as_deref().unwrap_or(value);
        let wanted = format!("write `{key}: {value}` in its place");
        for tag in [self.diff.from, self.diff.to] {
            if !self.diff.knows(tag, key) {
                return Err(format!("{wanted} where {tag} reads it: not on this node"));
            }
        }
        if self.path.is_none() {
            return Err(format!("{wanted}: the configuration is no local file"));
        }
        let node = self.diff.node;
        let set: Vec<&ConfigKey> = node.config.keys.iter().filter(|entry| entry.key == *key).collect();
        // Who wins between a list of the files and one of the unit is not the same in all of K3s' releases.
        if let Some(other) = set.iter().find(|entry| entry.source == "unit") {
            return Err(format!("{wanted}, in the {} itself, which has the key already", other.source));
        }
        let files: Vec<&&ConfigKey> = set.iter().filter(|entry| of_a_file(entry)).collect();
        if let Some(later) = files.iter().find(|entry| !self.is_behind(Some(&entry.source))) {
            return Err(format!("{wanted}, in {}, which is read after any drop-in of Belay", later.source));
        }
        let effective = node.config.effective(key);
        if files.is_empty() || replacement.append {
            if files.is_empty() || !effective.contains(&value) {
                return if replacement.append {
                    self.contents.append(key, value, reason);
                    Ok(())
                } else {
                    self.contents
                        .set(key, value, reason)
                        .map_err(|other| format!("{wanted}: another one asks for {other}"))
                };
            }
            return Ok(());
        }
        match effective.last() {
            Some(other) if *other != value => Err(format!("remove it, or {wanted}: `{key}` is {other} already")),
            _ => Ok(()),
        }
    }

    fn rule_of_flag(&self, component: &str, name: &str) -> Option<String> {
        if component == "etcd" {
            return self.first_rule(&["belay-etcd-arg-experimental-dropped".to_owned()]);
        }
        let minor = self.diff.knowledge.removed.flag(component, name)?;
        let of = |who: &str| format!("belay-{who}-flags-gone-1-{minor}");
        let who = match component {
            "kube-apiserver" => "apiserver",
            "kube-controller-manager" => "controller",
            other => other,
        };
        self.first_rule(&[of(who), of("klog")])
    }

    fn rule_of_gate(&self, name: &str) -> Option<String> {
        let minor = self.diff.knowledge.removed.gate(name)?;
        self.first_rule(&[format!("belay-gates-gone-1-{minor}")])
    }
}
