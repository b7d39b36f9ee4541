use belay_facts::{CopyKind, Span};
use belay_wire::{Difference, Reply, Request, Restorable};

use crate::{Link, LinkError};

const LIST: Span = Span::seconds(60);
/// Two whole datastores are read on a slow disk; of etcd a snapshot is taken first.
const COMPARE: Span = Span::seconds(300);

impl Link {
    /// The earlier states of the server that the node still has, oldest first.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn restorables(&mut self) -> Result<Vec<Restorable>, LinkError> {
        let what = "list what it could restore";
        match self.call(&Request::Restorables, what, LIST, |_| {}).await? {
            Reply::Restorables(found) => Ok(found),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }

    /// What was written since one of them.
    ///
    /// # Errors
    /// A fault when it is not there any more or a datastore cannot be read; else when the node does not answer.
    pub async fn difference(&mut self, what: CopyKind, run: &str) -> Result<Difference, LinkError> {
        let request = Request::Difference { what, run: run.to_owned(), within: COMPARE };
        let doing = "say what was written since";
        match self.call(&request, doing, COMPARE + LIST, |_| {}).await? {
            Reply::Difference(difference) => Ok(difference),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: doing.to_owned() }),
        }
    }
}
