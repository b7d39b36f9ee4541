use std::collections::BTreeMap;

use belay_facts::{Facts, NodePod};
use serde::Serialize;

/// What became of the pods that ran before: held against what was foretold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disturbed {
    /// Pods that ran before, on the nodes of the run.
    pub pods: usize,
    /// Those in which a container has started again.
    pub restarted: Vec<String>,
    /// Those that are gone, or were made again.
    pub replaced: Vec<String>,
}

/// `None` where the pods of before or after are not known.
pub(super) fn disturbed(before: Option<&Facts>, after: Option<&Facts>) -> Option<Disturbed> {
    let (before, after) = (pods(before?)?, pods(after?)?);
    let now: BTreeMap<(&str, &str), &NodePod> = after.iter().map(|pod| (place(pod), pod)).collect();
    let mut found = Disturbed { pods: before.len(), ..Disturbed::default() };
    for was in before {
        let name = format!("{}/{}", was.namespace, was.name);
        match now.get(&place(was)) {
            Some(is) if is.uid == was.uid && is.restarts > was.restarts => found.restarted.push(name),
            Some(is) if is.uid == was.uid => {}
            _ => found.replaced.push(name),
        }
    }
    Some(found)
}

fn pods(facts: &Facts) -> Option<&[NodePod]> {
    Some(facts.cluster.as_ref()?.pods.as_ref()?.pods.as_slice())
}

fn place(pod: &NodePod) -> (&str, &str) {
    (&pod.namespace, &pod.name)
}
