use belay_facts::Span;
use belay_wire::{Held, Reply, Request};

use crate::{Link, LinkError};

const ASK: Span = Span::seconds(30);

impl Link {
    /// The run that has not ended on the node, and who holds it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn held(&mut self) -> Result<Option<Held>, LinkError> {
        let what = "tell which run holds it";
        match self.call(&Request::Held, what, ASK, |_| {}).await? {
            Reply::Held(held) => Ok(held),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }

    /// The node's own journal of a run, byte by byte; `None` where it remembers nothing of it.
    ///
    /// # Errors
    /// When the node does not answer, or cannot read it.
    pub async fn journal(&mut self, run: &str) -> Result<Option<Vec<u8>>, LinkError> {
        let what = "show its journal of the run";
        match self.call(&Request::Journal { run: run.to_owned() }, what, ASK, |_| {}).await? {
            Reply::Journal(journal) => Ok(journal),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }
}
