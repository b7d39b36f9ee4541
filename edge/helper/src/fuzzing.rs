//! Doors to parsers that are private, for the fuzz targets in `fuzz/` only (feature `fuzzing`).

use std::path::Path;

use belay_facts::{EtcdFacts, MemoryFacts, ProcessFacts};
use belay_wire::BackupReceipt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backup::Manifest;
use crate::config::masked_argv;
use crate::etcd::{self, Store, StoreError};
use crate::fence::Holder;
use crate::lease::Lease;
use crate::lost::Lost;
use crate::process::{K3sRole, data_hash};
use crate::unit::Unit;
use crate::{Now, Places, inspect, port_watch, process, resolve, yaml};

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

/// How many kinds of file [`kept_file`] knows.
pub const KEPT_FILES: usize = 5;

/// A small file of the helper's own, written again from what was read of it, and once more from that; `None` when it is
/// none. `kind`: fence, lease, manifest and receipt of a backup, list of lost objects.
#[must_use]
pub fn kept_file(kind: usize, bytes: &[u8]) -> Option<[Option<Vec<u8>>; 2]> {
    match kind % KEPT_FILES {
        0 => again::<Holder>(bytes),
        1 => again::<Lease>(bytes),
        2 => again::<Manifest>(bytes),
        3 => again::<BackupReceipt>(bytes),
        _ => again::<Lost>(bytes),
    }
}

fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<[Option<Vec<u8>>; 2]> {
    let written = |bytes: &[u8]| serde_json::to_vec(&serde_json::from_slice::<T>(bytes).ok()?).ok();
    let first = serde_json::to_vec(&serde_json::from_slice::<T>(bytes).ok()?).ok();
    let second = first.as_deref().and_then(written);
    Some([first, second])
}

/// Who took the node last, in words, from the bytes of a fence.
#[must_use]
pub fn held_since(bytes: &[u8]) -> Option<String> {
    let by = serde_json::from_slice::<Holder>(bytes).ok()?.by?;
    Some(format!("{by} since {}", by.since()))
}

/// Addresses and code of what a DNS server answered to question 0102.
#[must_use]
pub fn dns_answer(bytes: &[u8]) -> Option<(Vec<String>, String)> {
    resolve::read_answer([1, 2], bytes)
}

/// What etcd says of itself over HTTP: health, and of its metric `name` the value and the label `a`.
#[must_use]
pub fn etcd_told(text: &str, name: &str) -> (Option<bool>, Option<f64>, Option<String>) {
    etcd::told(text, name)
}

/// Members and alarms in etcd's database.
///
/// # Errors
/// When it is damaged.
pub fn etcd_members(store: &Store) -> Result<EtcdFacts, StoreError> {
    etcd::stored(store)
}

/// What `/proc` says.
#[derive(Debug)]
pub struct Seen {
    /// Processes, and those of them that are of the K3s in the data directory.
    pub processes: usize,
    pub k3s: Vec<K3sRole>,
    pub facts: Option<ProcessFacts>,
    pub listeners: Vec<(u16, u64)>,
    /// `None`: no table could be read.
    pub listened_on: Option<bool>,
    pub memory: Option<MemoryFacts>,
    pub now: Now,
}

/// Reads all of `/proc` that the helper does, of the process `pid` and of the port 6443.
#[must_use]
pub fn seen(places: &Places, data_dir: &Path, pid: u32) -> Seen {
    let tables = ["net/tcp", "net/tcp6"].map(|name| places.proc.join(name));
    let k3s =
        process::k3s_processes(&process::processes(places).unwrap_or_default(), data_dir, "/system.slice/k3s.service");
    Seen {
        processes: process::processes(places).map_or(0, |found| found.len()),
        k3s: k3s.into_iter().map(|(_, role)| role).collect(),
        facts: process::process_facts(places, pid, data_dir),
        listeners: process::listeners(places, &[6443]),
        listened_on: port_watch::is_listened_on(&tables, 6443).ok(),
        memory: inspect::memory(places),
        now: Now::read(places),
    }
}

/// The name of the extracted version that a path is in.
#[must_use]
pub fn version_of(data_dir: &Path, exe: &str) -> Option<String> {
    data_hash(data_dir, exe)
}
