use belay_facts::Span;
use serde::{Deserialize, Serialize};

/// How this plan goes back, decided before the first change (design.md §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WayBack {
    pub class: WayClass,
    /// From the decision to go back until the old version serves, gates included.
    pub estimate: Span,
    /// The step after which going back means restoring data; none for class keep.
    pub point_of_no_return: Option<String>,
    pub why: String,
    pub loses: String,
}

/// The ways back that this build carries out. Others have a name in design.md §6 and are refused by the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayClass {
    /// K: the stopped copy of `server/` is put back; exact to the last write acknowledged before the stop.
    Keep,
    /// Nothing to take back: K3s is not touched.
    Untouched,
}
