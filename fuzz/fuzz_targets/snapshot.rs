//! A stored snapshot of etcd, as it lies on a disk that may lie. The hash at its end is found right where it is and wrong
//! where it is not, and what passes is read to its end or refused.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use belay_helper::{Store, check_trailer, fuzzing};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/belay-fuzz-snapshot-{}", std::process::id())));

fuzz_target!(|data: &[u8]| {
    std::fs::write(&*FILE, data).expect("/dev/shm can be written");
    let hashed = data.len().checked_sub(32).map(|end| data.split_at(end));
    let right = hashed.is_some_and(|(content, hash)| content.len() % 512 == 0 && *hash == *Sha256::digest(content));
    assert_eq!(check_trailer(&FILE).is_ok(), right);
    // The same content as etcd would have saved it.
    let mut content = fuzzing::sealed_bolt(data.get(..data.len() / 512 * 512).unwrap_or_default().to_vec());
    let hash = Sha256::digest(&content);
    content.extend_from_slice(&hash);
    std::fs::write(&*FILE, &content).expect("/dev/shm can be written");
    check_trailer(&FILE).expect("the hash is right");
    let Ok(store) = Store::open(&FILE) else { return };
    let _ = (store.revision(), store.compacted(), store.keys(), store.root(), store.check());
});
