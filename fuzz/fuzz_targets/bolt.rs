//! etcd's database: a bbolt file that may be anything, its sums made right, so that the fuzzer gets past them. Every
//! question is answered or refused, and raising the revision does that and nothing else, or leaves the file alone.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use belay_helper::{Bolt, Store, fuzzing};
use libfuzzer_sys::fuzz_target;

static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let server = PathBuf::from(format!("/dev/shm/belay-fuzz-bolt-{}", std::process::id()));
    std::fs::create_dir_all(server.join("db/etcd/member/snap")).expect("/dev/shm can be written");
    server
});

fuzz_target!(|data: &[u8]| {
    let path = SERVER.join("db/etcd/member/snap/db");
    let content = fuzzing::sealed_bolt(data.to_vec());
    std::fs::write(&path, &content).expect("/dev/shm can be written");
    let Ok(bolt) = Bolt::open(&path) else { return };
    assert!(bolt.unchanged().is_ok());
    let _ = (bolt.check(), bolt.last_key(&bolt.root()));
    let Ok(store) = Store::open(&path) else { return };
    let _ = fuzzing::etcd_members(&store);
    let (Ok(revision), Ok(compacted)) = (store.revision(), store.compacted()) else { return };
    assert!(revision >= compacted);
    let mut live = 0;
    let told = store.latest(|key, _, is_live| live += u64::from(is_live && key != "compact_rev_key"));
    let keys = store.keys();
    if let (Ok(()), Ok(keys)) = (told, &keys) {
        assert_eq!(live, *keys);
    }
    let mut backwards = 0;
    let walked = store.each_live(&mut |key, _| backwards += u64::from(key != b"compact_rev_key"));
    if let (Ok(()), Ok(keys)) = (walked, &keys) {
        assert_eq!(backwards, *keys);
    }
    let (storage, root) = (store.storage_version(), store.root());
    let target = revision.saturating_add(1000);
    match fuzzing::raise_revision(&SERVER, target) {
        Ok(()) => {
            let raised = Store::open(&path).expect("what was raised can be opened");
            assert_eq!(raised.check().expect("what was raised is whole"), "ok");
            assert!(raised.revision().expect("it has a revision") >= target);
            assert_eq!(raised.keys().ok(), keys.ok());
            assert_eq!(raised.storage_version().ok(), storage.ok());
            assert_eq!(raised.root().ok(), root.ok());
        }
        Err(_) => assert!(std::fs::read(&path).expect("it is there") == content, "a refusal wrote"),
    }
});
