//! Links to a node, and what is read over them.
//!
//! Owns the channel to a helper (spawned on a pipe, the same words as over SSH), its handshake and deadlines, and the
//! facts of a node. Does not own what a step means.

mod certificates;
mod error;
mod inspect;
mod link;

pub use error::LinkError;
pub use inspect::Inspected;
pub use link::{HelperIdentity, Link};
