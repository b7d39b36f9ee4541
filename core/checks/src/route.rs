use belay_facts::K3sVersion;
use jiff::civil::Date;
use serde::Serialize;

mod build;
mod graph;
mod no_route;
mod obstacle;
mod rung;
mod standing;

pub use graph::ReleaseGraph;
pub use no_route::NoRoute;
pub use rung::{Avoided, Rung};
pub use standing::Standing;

/// The safe ladder from what runs to a target: exact builds, each one upgrade above the one before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// The date of the release tables.
    pub as_of: Date,
    pub from: Standing,
    pub to: K3sVersion,
    /// Why one upgrade does not lead there; `None` when one does.
    pub not_at_once: Option<String>,
    /// Lowest first, the target last; empty when it runs already.
    pub rungs: Vec<Rung>,
}
