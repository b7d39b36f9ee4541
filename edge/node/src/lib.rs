//! Links to a node, and what is read over them.
//!
//! Owns the channel to a helper (on a pipe of this machine or over SSH: the same words), its handshake and deadlines, and the
//! facts of a node. Does not own what a step means.

mod certificates;
mod error;
mod fetch;
mod held;
mod inspect;
mod link;
mod objects;
mod prune;
mod restorable;
mod ssh;
mod userland;
mod way;
mod without_root;

pub use belay_wire::{Difference, Held, Leftover, LeftoverKind, LostObject, Restorable};
pub use certificates::read_shown;
pub use error::LinkError;
pub use inspect::Inspected;
pub use link::{HelperIdentity, Link};
pub use ssh::SshError;
pub use way::Way;
