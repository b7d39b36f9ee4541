use belay_facts::K3sVersion;
use serde::Serialize;

use super::build::Build;
use crate::Hazard;

/// One upgrade of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rung {
    pub tag: K3sVersion,
    /// The etcd that it carries, where that is known.
    pub etcd: Option<String>,
    /// Why the ladder has it.
    pub why: String,
    /// What is known to be wrong with it, and bearable.
    pub problems: Vec<Hazard>,
    /// The builds of its minor that were not taken instead.
    pub avoided: Vec<Avoided>,
}

/// A build that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Avoided {
    pub tag: K3sVersion,
    pub why: String,
}

impl Rung {
    /// `opens`: the etcd of the next rung, when only this rung's etcd may come before it.
    pub(super) fn of(below: &Build, build: &Build, target: bool, opens: Option<String>) -> Self {
        let minor = build.tag.minor_name();
        let mut why = match (target, build.tag.minor == below.tag.minor) {
            (true, _) => "the target".to_owned(),
            (false, false) => format!("no minor is skipped: the newest of {minor} that leads on"),
            (false, true) => format!("stays in {minor}"),
        };
        if let (Some(opens), Some(etcd)) = (opens, build.etcd) {
            why.push_str(&format!("; its etcd {etcd} may be followed by {opens}, the one before may not"));
        }
        Self {
            tag: build.tag.clone(),
            etcd: build.etcd.map(|etcd| etcd.to_string()),
            why,
            problems: build.problems.clone(),
            avoided: Vec::new(),
        }
    }
}
