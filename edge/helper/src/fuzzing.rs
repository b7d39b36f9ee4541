//! Doors to parsers that are private, for the fuzz targets in `fuzz/` only (feature `fuzzing`).

use std::path::Path;

use crate::config::masked_argv;
use crate::etcd::{self, StoreError};
use crate::unit::Unit;
use crate::yaml;

/// Key and line of each entry of a `config.yaml`; `None` when it is not a flat map.
#[must_use]
pub fn config_entries(text: &str) -> Option<Vec<(String, u32)>> {
    Some(yaml::entries(text).ok()?.into_iter().map(|entry| (entry.key, entry.line)).collect())
}

/// Each word of the arguments as they may be shown, with the one after it, from the output of `systemctl show`.
#[must_use]
pub fn shown_argv(text: &str) -> Vec<(String, Option<String>)> {
    let words = masked_argv(&Unit::parse("k3s.service", text).exec);
    let next = words.iter().skip(1).cloned().map(Some).chain([None]);
    words.iter().cloned().zip(next).collect()
}

/// A bbolt file with the sums of its meta pages made right.
#[must_use]
pub fn sealed_bolt(mut bytes: Vec<u8>) -> Vec<u8> {
    etcd::seal(&mut bytes);
    bytes
}

/// Makes the next revision of the database below `server` follow `revision`.
///
/// # Errors
/// When it cannot be read or written.
pub fn raise_revision(server: &Path, revision: u64) -> Result<(), StoreError> {
    etcd::raise_revision(server, revision)
}
