use belay_facts::{Inventory, Span};
use belay_wire::{Reply, Request};

use crate::{Link, LinkError};

/// Of etcd a snapshot may have to be taken first.
const READ: Span = Span::seconds(300);
const MORE: Span = Span::seconds(60);

impl Link {
    /// What the objects of the cluster are, read from the datastore of this server: from its latest copy of the last day,
    /// else, or if it has to be `fresh`, from the one in use.
    ///
    /// # Errors
    /// A fault when there is no datastore on the node or it cannot be read; else when the node does not answer.
    pub async fn objects(&mut self, fresh: bool) -> Result<Inventory, LinkError> {
        let doing = "read the objects from its datastore";
        match self.call(&Request::Objects { fresh, within: READ }, doing, READ + MORE, |_| {}).await? {
            Reply::Objects(inventory) => Ok(*inventory),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: doing.to_owned() }),
        }
    }
}
