use belay_facts::{K3sVersion, Span, WayClass};
use serde::{Deserialize, Serialize};

use crate::{Part, Refusal};

/// How this plan goes back, decided before the first change (design.md §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WayBack {
    pub class: WayClass,
    /// From the decision to go back until the old version serves, gates included.
    pub estimate: Span,
    /// The step after which going back means restoring data; none for the classes keep and binary.
    pub point_of_no_return: Option<String>,
    pub why: String,
    pub loses: String,
}

/// What writes to disk beside Kubernetes itself: for class binary its minors must be known, and the same.
const PARTS: [&str; 3] = ["etcd", "kine", "containerd"];

impl WayBack {
    /// Class binary, where nothing speaks against giving the data to the old version again. What is not known speaks
    /// against it.
    pub(crate) fn binary(from: &K3sVersion, to: &K3sVersion, parts: &[Part], estimate: Span) -> Result<Self, Refusal> {
        let mut against = Vec::new();
        let kubernetes = (from.minor_name(), to.minor_name());
        if kubernetes.0 != kubernetes.1 {
            against.push(format!("Kubernetes goes from {} to {}", kubernetes.0, kubernetes.1));
        }
        let mut same = vec![format!("Kubernetes {}", kubernetes.1)];
        for name in PARTS {
            let part = parts.iter().find(|part| part.name == name);
            match part.map_or((None, None), |part| (part.from.as_ref(), part.to.as_ref())) {
                (Some(old), Some(new)) if old == new => same.push(format!("{name} {new}")),
                (Some(old), Some(new)) => against.push(format!("{name} goes from {old} to {new}")),
                (None, Some(_)) => against.push(format!("which {name} {from} has is not known")),
                (Some(_), None) => against.push(format!("which {name} {to} has is not known")),
                (None, None) => against.push(format!("which {name} {from} and {to} have is not known")),
            }
        }
        if !against.is_empty() {
            return Err(Refusal::Binary { from: from.clone(), to: to.clone(), against });
        }
        Ok(Self {
            class: WayClass::Binary,
            estimate,
            point_of_no_return: None,
            why: format!(
                "asked for; {} are in both releases, so the data stay. The stopped copy is made all the same, and is put \
                 back (class keep) if a gate then says no",
                same.join(", ")
            ),
            loses: "nothing; what was written after the swap, listed in the report, only if the stopped copy follows"
                .to_owned(),
        })
    }
}
