use belay_facts::Span;
use belay_wire::{Leftover, Reply, Request};

use crate::{Link, LinkError};

/// Sizes are summed over whole directories.
const LIST: Span = Span::seconds(120);
/// A slow disk with many small files.
const REMOVE: Span = Span::seconds(600);

impl Link {
    /// What earlier runs left on the node and may be removed.
    ///
    /// # Errors
    /// A fault while a run is open there; else when the node does not answer.
    pub async fn leftovers(&mut self) -> Result<Vec<Leftover>, LinkError> {
        let what = "list what old runs left";
        match self.call(&Request::Leftovers, what, LIST, |_| {}).await? {
            Reply::Leftovers(found) => Ok(found),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }

    /// Removes those of the paths that are still such leftovers, and says which they were.
    ///
    /// # Errors
    /// As `leftovers`, and when one cannot be removed.
    pub async fn prune(&mut self, paths: Vec<String>) -> Result<Vec<Leftover>, LinkError> {
        let what = "remove what old runs left";
        match self.call(&Request::Prune { paths }, what, REMOVE, |_| {}).await? {
            Reply::Leftovers(removed) => Ok(removed),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }
}
