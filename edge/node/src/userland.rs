use belay_facts::{Span, UserlandFacts};
use belay_wire::{Reply, Request};

use crate::{Link, LinkError};

/// A card that gives 10 MB a second needs half a minute for 300 MB.
const READ: Span = Span::seconds(120);

impl Link {
    /// Whether what K3s runs from on this node is still what it extracted.
    ///
    /// # Errors
    /// A fault when K3s does not run there from what it extracted; else when the node does not answer.
    pub async fn userland(&mut self) -> Result<UserlandFacts, LinkError> {
        let doing = "read what K3s has extracted";
        match self.call(&Request::Userland, doing, READ, |_| {}).await? {
            Reply::Userland(userland) => Ok(userland),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: doing.to_owned() }),
        }
    }
}
