//! What the reader says of databases and logs, whole and damaged, and what is written into them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::bolt::{Bolt, BoltError, META};
use super::fixture::{Etcd, PAGE, snapshot};
use super::message::written_bytes as text;
use super::page::PAGE_HEADER;
use super::store::{DATABASE, LOG, Store, StoreError, raise_revision};
use super::{check_trailer, members};

fn server(etcd: &Etcd) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    etcd.write(dir.path());
    let path = dir.path().to_path_buf();
    (dir, path)
}

fn populated() -> Etcd {
    let mut etcd = Etcd::new();
    for n in 0..60 {
        etcd.put(&format!("/registry/configmaps/default/n{n}"), &"x".repeat(n * 40));
    }
    etcd.put("/registry/configmaps/default/n7", "again");
    etcd.delete("/registry/configmaps/default/n8");
    etcd
}

fn latest(store: &Store) -> BTreeMap<String, (u64, bool)> {
    let mut seen = BTreeMap::new();
    store
        .latest(|key, revision, live| {
            seen.insert(key, (revision, live));
        })
        .unwrap();
    seen
}

#[test]
fn a_database_is_read_to_its_end() {
    let (_dir, server) = server(&populated());
    let store = Store::of_server(&server).unwrap();
    assert_eq!((store.revision().unwrap(), store.keys().unwrap(), store.compacted().unwrap()), (64, 59, 0));
    assert_eq!(store.consistent_index().unwrap(), 5);
    assert_eq!(store.check().unwrap(), "ok");
    let seen = latest(&store);
    assert_eq!(seen["/registry/configmaps/default/n7"], (63, true));
    assert_eq!(seen["/registry/configmaps/default/n8"], (64, false));
    let facts = members::observed(&server).unwrap();
    assert_eq!((facts.members.len(), facts.members[0].name.as_str()), (1, "n0"));
    assert_eq!((facts.cluster.as_deref(), facts.storage.as_deref()), (Some("def"), Some("3.6.0")));
    assert_eq!((facts.cluster_version.as_deref(), facts.alarms.len()), (Some("3.6.0"), 0));
}

#[test]
fn backwards_every_live_key_comes_once_with_its_last_value() {
    let (_dir, server) = server(&populated());
    let store = Store::open(&server.join(DATABASE)).unwrap();
    let mut seen = Vec::new();
    store.each_live(&mut |key, value| seen.push((String::from_utf8(key.to_vec()).unwrap(), value.to_vec()))).unwrap();
    assert_eq!(seen[0], ("/registry/configmaps/default/n7".to_owned(), b"again".to_vec()), "newest first");
    let live: Vec<String> = latest(&store).into_iter().filter(|(_, (_, live))| *live).map(|(key, _)| key).collect();
    let mut keys: Vec<String> = seen.iter().map(|(key, _)| key.clone()).collect();
    keys.sort_unstable();
    assert_eq!(keys, live);
    for (key, value) in seen {
        assert_eq!(store.value(key.as_bytes()).unwrap(), Some(value), "{key}");
    }
}

#[test]
fn backwards_as_well_damage_is_refused() {
    let (_dir, server) = server(&populated());
    let path = server.join(DATABASE);
    let whole = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Store::open(&path).and_then(|store| store.each_live(&mut |_, _| {}))
    };
    assert!(read(&whole).is_ok());
    assert!(read(&whole[..whole.len() / 2]).is_err(), "cut");
    // The first leaf says that it is another page, or has elements where no page is.
    for (at, byte) in [(2 * PAGE, 9), (2 * PAGE + PAGE_HEADER + 7, 0x7f)] {
        let mut harmed = whole.clone();
        harmed[at] = byte;
        assert!(matches!(read(&harmed), Err(StoreError::Bolt(BoltError::Damaged { .. }))), "{at}");
    }
}

#[test]
fn a_root_is_of_what_is_live_and_not_of_its_history() {
    let (_a, first) = server(&populated());
    let mut other = populated();
    other.put("/registry/configmaps/default/brief", "x");
    other.delete("/registry/configmaps/default/brief");
    let (_b, second) = server(&other);
    let root = |server: &Path| Store::open(&server.join(DATABASE)).unwrap().root().unwrap();
    assert_eq!(root(&first), root(&second));
    other.put("/registry/configmaps/default/n7", "another");
    other.write(&second);
    assert_ne!(root(&first), root(&second));
}

#[test]
fn an_alarm_and_other_members_are_seen() {
    let mut etcd = populated();
    (etcd.members, etcd.alarm) = (3, true);
    let (_dir, server) = server(&etcd);
    let facts = members::observed(&server).unwrap();
    assert_eq!((facts.members.len(), facts.alarms), (3, vec!["NOSPACE".to_owned()]));
}

#[test]
fn writes_that_are_only_in_the_log_are_told() {
    let mut etcd = populated();
    etcd.log_put("/registry/configmaps/default/late", "acknowledged");
    etcd.log_delete_at("/registry/configmaps/default/n7", 63);
    // Somebody else was faster: it is not deleted, and no revision is used.
    etcd.log_delete_at("/registry/configmaps/default/n9", 5);
    // A range to the end, which hits one key.
    etcd.log(text(
        5,
        &[text(1, b"/registry/configmaps/default/n59"), text(2, b"/registry/configmaps/default/n5:")].concat(),
    ));
    let (_dir, server) = server(&etcd);
    let store = Store::of_server(&server).unwrap();
    let seen = latest(&store);
    assert_eq!(seen["/registry/configmaps/default/late"], (65, true));
    assert_eq!(seen["/registry/configmaps/default/n7"], (66, false));
    assert_eq!(seen["/registry/configmaps/default/n9"], (12, true));
    assert_eq!(seen["/registry/configmaps/default/n59"], (67, false));
    assert!(!seen.contains_key("/registry/configmaps/default/never"), "it was replaced before it was committed");
    assert_eq!(store.revision().unwrap(), 67);
    assert!(store.is_complete());
    // A torn last record is said to be one.
    let path = server.join(LOG).join("0000000000000000-0000000000000000.wal");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4096;
    bytes[end - 12] ^= 1;
    fs::write(&path, bytes).unwrap();
    let torn = Store::of_server(&server).unwrap();
    assert!(!torn.is_complete());
    assert_eq!(torn.revision().unwrap(), 66);
}

#[test]
fn a_revision_is_raised_once_and_nothing_else_changes() {
    let (_dir, server) = server(&populated());
    let before = Store::of_server(&server).unwrap();
    let (objects, root, size) =
        (latest(&before), before.root().unwrap(), fs::metadata(server.join(DATABASE)).unwrap().len());
    raise_revision(&server, 5000).unwrap();
    let after = Store::of_server(&server).unwrap();
    assert_eq!((after.revision().unwrap(), after.compacted().unwrap()), (5000, 5000));
    assert_eq!((latest(&after), after.root().unwrap(), after.check().unwrap().as_str()), (objects, root, "ok"));
    assert_eq!(after.consistent_index().unwrap(), 5);
    assert_eq!(after.storage_version().unwrap().as_deref(), Some("3.6.0"));
    let bytes = fs::read(server.join(DATABASE)).unwrap();
    assert_eq!(bytes.len() as u64 % PAGE as u64, 0);
    assert!(bytes.len() as u64 >= size);
    // Again, and lower: neither writes.
    raise_revision(&server, 5000).unwrap();
    raise_revision(&server, 4000).unwrap();
    assert_eq!(fs::read(server.join(DATABASE)).unwrap(), bytes);
    raise_revision(&server, 6000).unwrap();
    assert_eq!(Store::of_server(&server).unwrap().revision().unwrap(), 6000);
}

#[test]
fn a_power_cut_while_it_is_raised_leaves_the_one_or_the_other() {
    let (_dir, server) = server(&populated());
    let path = server.join(DATABASE);
    let old = fs::read(&path).unwrap();
    raise_revision(&server, 5000).unwrap();
    let new = fs::read(&path).unwrap();
    // The pages are there and the meta page is not, or only a part of it.
    for torn in [0, 20, 40, 60, PAGE_HEADER + META] {
        let mut bytes = new.clone();
        bytes[..PAGE].copy_from_slice(&old[..PAGE]);
        bytes[..torn].copy_from_slice(&new[..torn]);
        fs::write(&path, &bytes).unwrap();
        let store = Store::of_server(&server).unwrap();
        let expected = if torn == PAGE_HEADER + META { 5000 } else { 64 };
        assert_eq!(store.revision().unwrap(), expected, "{torn} bytes");
        raise_revision(&server, 5000).unwrap();
        assert_eq!(Store::of_server(&server).unwrap().revision().unwrap(), 5000);
    }
}

#[test]
fn a_snapshot_is_proven_by_its_trailer() {
    let (dir, server) = server(&populated());
    let path = dir.path().join("snapshot");
    let whole = snapshot(&server);
    fs::write(&path, &whole).unwrap();
    check_trailer(&path).unwrap();
    assert_eq!(Store::open(&path).unwrap().keys().unwrap(), 59);
    for harm in [&whole[..whole.len() - 32], &whole[..100], b"", &[&whole[..4096], &whole[8192..]].concat()] {
        fs::write(&path, harm).unwrap();
        assert!(matches!(check_trailer(&path), Err(StoreError::Snapshot { .. })));
    }
}

#[test]
fn a_page_that_leads_back_to_itself_is_damage() {
    let (_dir, server) = server(&populated());
    let path = server.join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    // The branch of the bucket `key`: its second child becomes the first again.
    let branch = (2..bytes.len() / PAGE).find(|page| bytes[page * PAGE + 8] == 1).unwrap() * PAGE;
    let first = bytes[branch + 24..branch + 32].to_vec();
    bytes[branch + 40..branch + 48].copy_from_slice(&first);
    fs::write(&path, bytes).unwrap();
    let damaged = Store::open(&path).unwrap().check();
    assert!(matches!(damaged, Err(StoreError::Bolt(BoltError::Damaged { .. }))), "{damaged:?}");
}

/// Found by the fuzz target `bolt`: the place of the new pages overflowed, which would have written over the old ones.
#[test]
fn a_database_that_claims_more_pages_than_its_file_has_is_damage_and_not_written() {
    let (_dir, server) = server(&populated());
    let path = server.join(DATABASE);
    let whole = fs::read(&path).unwrap();
    let meta = Bolt::open(&path).unwrap().meta;
    for (pages, txid) in
        [(1 << 63, meta.txid), (u64::MAX, meta.txid), (meta.pages + 9, meta.txid), (meta.pages, u64::MAX)]
    {
        let mut bytes = whole.clone();
        let claimed = super::bolt::Meta { pages, txid, ..meta }.encode();
        bytes[PAGE..PAGE + claimed.len()].copy_from_slice(&claimed);
        fs::write(&path, &bytes).unwrap();
        assert!(raise_revision(&server, 5000).is_err(), "{pages} pages");
        assert!(fs::read(&path).unwrap() == bytes, "a refusal wrote");
    }
}

/// The numbers that a database and its log begin from are as large as they can be.
#[test]
fn a_log_behind_the_last_entry_and_revision_there_can_be_is_read() {
    let mut etcd = populated();
    etcd.meta.insert("consistent_index", u64::MAX.to_be_bytes().to_vec());
    etcd.log_put("/registry/configmaps/default/late", "acknowledged");
    let (_dir, server) = server(&etcd);
    assert_eq!(Store::of_server(&server).unwrap().revision().unwrap(), 64);
    etcd.meta.insert("consistent_index", 5_u64.to_be_bytes().to_vec());
    etcd.meta.insert("finishedCompactRev", u64::MAX.to_be_bytes().to_vec());
    etcd.write(&server);
    assert_eq!(Store::of_server(&server).unwrap().revision().unwrap(), u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the file, reading ends without a panic, and raising it either works or changes nothing.
    #[test]
    fn no_content_makes_the_reader_panic(
        harm in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (_dir, server) = server(&populated());
        for path in [server.join(DATABASE), server.join(LOG).join("0000000000000000-0000000000000000.wal")] {
            let mut bytes = fs::read(&path).unwrap();
            for (at, with) in &harm {
                let at = at.index(bytes.len());
                bytes[at] = *with;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            fs::write(&path, bytes).unwrap();
        }
        let _ = members::observed(&server);
        if let Ok(store) = Store::of_server(&server) {
            let _ = (store.revision(), store.keys(), store.root(), store.check());
        }
        let _ = Bolt::open(&server.join(DATABASE)).map(|bolt| bolt.check());
        let before = fs::read(server.join(DATABASE)).unwrap();
        if raise_revision(&server, 9000).is_err() {
            prop_assert!(fs::read(server.join(DATABASE)).unwrap() == before);
        }
    }
}
