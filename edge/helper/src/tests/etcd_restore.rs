//! A backup of etcd, a snapshot, is made live again.

use std::fs;
use std::time::Duration;

use belay_facts::{CopyKind, DatastoreKind, WayClass};
use belay_wire::{Change, FaultKind, Op};

use super::etcd::{etcd, node_with};
use super::node::{NEW, Node, OLD, RUN};
use super::restore::{LATER, changes, interrupted, prepared, proven, taking_back, the, version};
use crate::etcd::Store;
use crate::etcd::fixture::{Etcd, snapshot};
use crate::recover::recover;
use crate::restorable::difference;

const SINCE: [(&str, Change); 4] = [
    ("changed", Change::Changed),
    ("created", Change::Created),
    ("deleted", Change::Deleted),
    ("last", Change::Created),
];

/// Upgraded and committed, and then written to, the last of it only in the log.
fn committed() -> Node {
    let mut now = etcd();
    let node = node_with(&now);
    node.forward(8);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    now.put("/registry/configmaps/default/created", "new");
    now.put("/registry/configmaps/default/changed", "two");
    now.delete("/registry/configmaps/default/deleted");
    is_now(&node, &now);
    now.log_put("/registry/configmaps/default/last", "acknowledged, and not in the database yet");
    now.write(&node.path("k3s/server"));
    node
}

/// What the next snapshot will have.
fn is_now(node: &Node, etcd: &Etcd) {
    etcd.write(&node.path("k3s/server"));
    fs::write(node.path("snapshot"), snapshot(&node.path("k3s/server"))).unwrap();
}

fn store(node: &Node) -> Store {
    Store::of_server(&node.path("k3s/server")).unwrap()
}

#[track_caller]
fn assert_restored(node: &Node, when: &str) {
    assert_eq!(version(node), OLD, "{when}");
    assert!(!node.path("k3s/.belay-put-back").exists());
    let store = store(node);
    assert_eq!((store.revision().unwrap(), store.keys().unwrap()), (1040, 4), "{when}");
    assert_eq!(store.root().unwrap(), node.folded_of(RUN).proven.unwrap().root, "{when}");
    assert_eq!((store.consistent_index().unwrap(), store.check().unwrap().as_str()), (1, "ok"), "{when}");
    assert!(node.folded().restored.is_some());
}

#[track_caller]
fn assert_present(node: &Node, when: &str) {
    assert_eq!(version(node), NEW, "{when}");
    let store = store(node);
    assert_eq!((store.keys().unwrap(), store.consistent_index().unwrap()), (5, 5), "{when}");
}

#[test]
fn a_snapshot_is_restored_with_the_version_that_wrote_it_and_given_up_again() {
    let mut node = committed();
    let db = node.path("k3s/server/db");
    fs::create_dir_all(db.join("etcd-old-17/member")).unwrap();
    fs::write(db.join("etcd-old-17/member/db"), "put aside by K3s").unwrap();
    fs::write(db.join("snapshots/later"), "a snapshot of the user").unwrap();
    let earlier = the(&node, CopyKind::Backup);
    assert_eq!((earlier.datastore, earlier.revision), (DatastoreKind::Etcd, 6));
    // The snapshot that is taken for the question lacks what only the log has.
    let told = difference(&node.places, CopyKind::Backup, RUN, Duration::from_secs(5)).unwrap();
    let told: Vec<_> = told.objects.iter().map(|lost| (lost.name.as_str(), lost.change)).collect();
    assert_eq!(told, SINCE[..3]);
    taking_back(&mut node, &earlier);
    prepared(&node, &earlier);
    let proof = proven(node.act(Op::Restore { seen: 40 }));
    assert_eq!(changes(&proof), SINCE);
    assert!(proof.lost_complete);
    assert_eq!((proof.kept_revision, proof.abandoned_revision, proof.revision), (6, Some(10), 1040));
    assert_restored(&node, "asked");
    assert_eq!(fs::read_to_string(db.join("etcd-old-17/member/db")).unwrap(), "put aside by K3s");
    for name in ["first", "later"] {
        assert!(db.join("snapshots").join(name).is_file(), "{name}");
    }
    // Again: the same answer, and nothing exchanged twice.
    assert_eq!(proven(node.act(Op::Restore { seen: 40 })).lost, proof.lost);
    assert_restored(&node, "asked again");
    node.act(Op::Start);
    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "asked".into() });
    node.act(Op::Stop);
    let back = proven(node.act(Op::PutBack { seen: 0 }));
    assert_eq!((back.lost, back.revision), (Vec::new(), 2040));
    assert_present(&node, "given up");
}

#[test]
fn a_restore_that_was_cut_after_any_line_is_finished_or_taken_back() {
    for lines in 0..=7 {
        for then in ["resume", "boot", "rollback"] {
            let mut node = committed();
            let earlier = the(&node, CopyKind::Backup);
            taking_back(&mut node, &earlier);
            prepared(&node, &earlier);
            interrupted(&node, lines);
            let when = format!("{then} after {lines} lines");
            match then {
                "resume" => {
                    node.act(Op::Restore { seen: 40 });
                }
                "boot" => {
                    node.boot();
                    let said = format!("run {LATER}: restored; `belay resume` asks the gates");
                    assert_eq!(recover(&node.places), [said], "{when}");
                }
                _ => {
                    node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "asked".into() });
                    node.act(Op::Stop);
                    assert_eq!(proven(node.act(Op::PutBack { seen: 0 })).lost, [], "{when}");
                    assert_present(&node, &when);
                    continue;
                }
            }
            assert_restored(&node, &when);
        }
    }
}

#[test]
fn a_snapshot_that_is_not_this_members_is_refused_and_nothing_is_rebuilt() {
    let mut node = committed();
    let earlier = the(&node, CopyKind::Backup);
    taking_back(&mut node, &earlier);
    node.act(node.fence());
    fs::write(node.path("k3s/server/db/etcd/name"), "n1-0a1b2c3d").unwrap();
    let rebuild = || Op::Rebuild { what: CopyKind::Backup, run: RUN.into() };
    let said = node.fault(rebuild(), FaultKind::Refused);
    assert!(said.contains("n1-0a1b2c3d") && said.contains("--cluster-reset-restore-path"), "{said}");
    assert!(said.contains("disabled: a boot in the middle of it would start an empty cluster"), "{said}");
    fs::write(node.path("k3s/server/db/etcd/name"), "n0").unwrap();
    let stored = node.places.backup_dir(RUN).join("datastore/snapshot.db");
    let mut bytes = fs::read(&stored).unwrap();
    bytes[9000] ^= 1;
    fs::write(&stored, bytes).unwrap();
    assert!(node.fault(rebuild(), FaultKind::Failed).contains("truncated or altered"));
    assert!(!node.path(&format!("k3s/server.belay-{LATER}.restore")).exists());
    node.act(Op::Release { keep_way_back: false });
    assert_present(&node, "refused");
}
