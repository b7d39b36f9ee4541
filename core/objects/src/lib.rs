//! Kubernetes objects as a datastore has them: decoded as far as facts need, and counted.
//!
//! Owns the two forms of an object at rest (protobuf behind `k8s\0`, and JSON), read through one set of names, and the
//! [`Inventory`](belay_facts::Inventory) that is made of them. Does not own where the bytes come from (edge) nor what the
//! inventory means (checks). Nothing of a Secret is read but its metadata and type, and of a release of Helm version and kind of
//! its objects; of annotations only their names and what `kubectl.kubernetes.io/last-applied-configuration` says of version and
//! kind.

mod inflate;
mod json;
mod kinds;
mod meta;
mod newest;
mod object;
mod release;
mod tally;
mod value;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use meta::{Manager, Meta, Owner};
pub use newest::Newest;
pub use object::{Object, Undecoded};
pub use release::named_apis;
pub use tally::Tally;
pub use value::{Field, Fields, Key, Value};
