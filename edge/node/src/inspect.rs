use belay_facts::{NodeFacts, Span, Unread};
use belay_wire::{Credentials, Inspection, Reply, Request};

use crate::without_root::{is_denied, without_root};
use crate::{Link, LinkError, certificates};

/// How long reading all facts of a node may take; an integrity check of a large database is the longest part.
const INSPECT: Span = Span::seconds(120);
const ASK: Span = Span::seconds(15);

/// The facts of a node, and what could not be read.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub node: NodeFacts,
    /// Sentences for people: which fact is missing and why.
    pub notes: Vec<String>,
    /// Facts that a helper without root could not read.
    pub unread: Vec<Unread>,
    /// `server/tls/server-ca.crt`, from which the cluster's trust is named.
    pub server_ca: Option<String>,
}

impl Link {
    /// Reads all facts of the node. `now` is given, so that days left are reproducible.
    ///
    /// # Errors
    /// When the node does not answer; a fact that cannot be read is a note, not an error.
    pub async fn inspect(&mut self, now: jiff::Timestamp) -> Result<Inspected, LinkError> {
        let what = "tell its facts";
        let Reply::Inspection(inspection) = self.call(&Request::Inspect, what, INSPECT, |_| {}).await? else {
            return Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() });
        };
        let Inspection { mut node, certificates: files, mut notes } = *inspection;
        let server_ca = files.iter().find(|f| f.path.ends_with("/server/tls/server-ca.crt")).map(|f| f.pem.clone());
        let mut found = Vec::new();
        for file in &files {
            match certificates::read(file, now) {
                Ok(mut read) => found.append(&mut read),
                Err(note) => notes.push(note),
            }
        }
        node.certificates = if files.is_empty() { None } else { Some(found) };
        // A helper without root is one that this user started here: what it may not look at, this process may not either.
        let unread = without_root(&mut node, &|path| !self.is_here() || is_denied(path));
        if !unread.is_empty() {
            let facts: Vec<&str> = unread.iter().map(|one| one.fact.as_str()).collect();
            notes.push(format!("without root: {}", facts.join(", ")));
        }
        Ok(Inspected { node, notes, unread, server_ca })
    }

    /// The credentials for this node's API.
    ///
    /// # Errors
    /// When they cannot be read on the node, which is a fault, or the node does not answer.
    pub async fn credentials(&mut self) -> Result<Credentials, LinkError> {
        let what = "give the credentials of its API";
        match self.call(&Request::Credentials, what, ASK, |_| {}).await? {
            Reply::Credentials(credentials) => Ok(*credentials),
            _ => Err(LinkError::Confused { node: self.node().to_owned(), what: what.to_owned() }),
        }
    }
}
