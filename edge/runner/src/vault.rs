//! Releases: found, fetched, verified, cached. Nothing that was not verified here is ever sent to a node.

mod answer;
mod channel;
mod channels;
mod error;
mod origin;
mod read;
mod release;
mod sums;
mod web;

pub use channel::{CHANNELS, resolve_channel};
pub use channels::channels;
pub use error::VaultError;
pub(crate) use origin::Location;
pub use origin::{GITHUB, Origin};
pub(crate) use read::read;
pub(crate) use release::digest_of;
pub use release::{Release, cached, fetch, holds};
