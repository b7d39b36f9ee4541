//! K3s' embedded etcd, read from its files: bbolt pages, the store on them, the log, and who is a member.
//!
//! Owns reading (nothing here needs etcd to run, its certificates or TLS) and two writes: the revision of a stopped copy,
//! and the files of one member that goes on from a snapshot.

mod backwards;
mod bolt;
mod commit;
mod health;
mod members;
mod message;
mod page;
mod segment;
mod snapshot;
mod sole_member;
mod store;
mod tail;
mod wal;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
pub(crate) use bolt::seal;
pub use bolt::{Bolt, BoltError, Bucket};
#[cfg(feature = "fuzzing")]
pub(crate) use health::told;
#[cfg(feature = "fuzzing")]
pub(crate) use members::stored;
pub(crate) use members::{content, facts, observed};
pub use page::{Leaf, Page};
pub(crate) use segment::LENGTH as SEGMENT;
pub use snapshot::check_trailer;
pub(crate) use snapshot::save;
pub(crate) use sole_member::SoleMember;
pub(crate) use store::DATABASE;
pub use store::{Store, StoreError, raise_revision};
pub use tail::WalError;

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

fn be_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}
