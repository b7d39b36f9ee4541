//! The same steps with embedded etcd of one member.

use std::collections::BTreeMap;
use std::fs;

use belay_facts::{DatastoreKind, Span, WayClass};
use belay_wire::{Change, FaultKind, Op, PutBackProof, Reply};

use super::node::{NEW, Node, OLD};
use crate::etcd::Store;
use crate::etcd::fixture::{Etcd, snapshot};
use crate::guard::guard;
use crate::recover::recover;

pub fn etcd() -> Etcd {
    let mut etcd = Etcd::new();
    for name in ["kept", "changed", "deleted"] {
        etcd.put(&format!("/registry/configmaps/default/{name}"), "one");
    }
    etcd.put("/registry/leases/kube-node-lease/n1", "beat");
    etcd
}

pub fn node_with(etcd: &Etcd) -> Node {
    let mut node = Node::new();
    node.target.datastore = DatastoreKind::Etcd;
    let server = node.path("k3s/server");
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(server.join("db").join(name));
    }
    etcd.write(&server);
    fs::write(node.path("snapshot"), snapshot(&server)).unwrap();
    node
}

/// Upgraded, written to by the new version, which was killed with some of it only in the log, and stopped.
fn abandoned() -> Node {
    let mut etcd = etcd();
    let node = node_with(&etcd);
    node.forward(8);
    assert_eq!(node.version(), NEW);
    etcd.put("/registry/configmaps/default/created", "new");
    etcd.put("/registry/configmaps/default/changed", "two");
    etcd.put("/registry/example.com/widgets/default/brief", "x");
    etcd.delete("/registry/example.com/widgets/default/brief");
    etcd.log_put("/registry/configmaps/default/last", "acknowledged, and not in the database yet");
    etcd.log_delete_at("/registry/configmaps/default/deleted", 5);
    etcd.write(&node.path("k3s/server"));
    node.act(Op::Turn { seen: 40, class: WayClass::Keep, why: "n1.gate: kubelet".into() });
    node.act(Op::Stop);
    node
}

fn assert_back(node: &Node) {
    assert_eq!(node.version(), OLD);
    assert!(!node.path("k3s/.belay-put-back").exists());
    let store = Store::of_server(&node.path("k3s/server")).unwrap();
    assert_eq!((store.revision().unwrap(), store.keys().unwrap()), (1040, 4));
    assert_eq!(store.check().unwrap(), "ok");
}

fn put_back(node: &Node) -> PutBackProof {
    match node.act(Op::PutBack { seen: 7 }) {
        Reply::PutBack(proof) => *proof,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_receipt_is_read_from_the_stored_snapshot() {
    let node = node_with(&etcd());
    node.forward(3);
    let Reply::Proven(receipt) = node.act(Op::ProveBackup) else { panic!() };
    assert_eq!((receipt.kind, receipt.revision, receipt.keys), (DatastoreKind::Etcd, 6, 4));
    assert_eq!((receipt.integrity.as_str(), receipt.level.as_str()), ("ok", "readable"));
    let asked = fs::read_to_string(node.path("asked")).unwrap();
    assert_eq!(asked, format!("delete belay-{}-n1-1795472986\n", node.run), "K3s itself forgets it");
    assert_eq!(fs::read_dir(node.path("k3s/server/db/snapshots")).unwrap().count(), 1, "only the one that was there");
}

#[test]
fn a_snapshot_that_was_cut_short_or_flipped_gets_no_receipt() {
    for harm in ["short", "flipped", "page"] {
        let node = node_with(&etcd());
        let path = node.path("snapshot");
        let mut bytes = fs::read(&path).unwrap();
        match harm {
            "short" => bytes.truncate(bytes.len() - 4096),
            "flipped" => bytes[9000] ^= 1,
            _ => {
                // Damaged before etcd summed it: the pages tell.
                bytes.truncate(bytes.len() - 32);
                bytes[2 * 4096 + 24..2 * 4096 + 28].fill(0xff);
                fs::write(node.path("k3s/server/db/etcd/member/snap/db"), &bytes).unwrap();
                bytes = snapshot(&node.path("k3s/server"));
            }
        }
        fs::write(path, bytes).unwrap();
        node.forward(3);
        let message = node.fault(Op::ProveBackup, FaultKind::Failed);
        assert!(message.contains("snapshot") || message.contains("damaged"), "{harm}: {message}");
        assert!(node.fault(Op::Stop, FaultKind::Refused).contains("receipt"), "{harm}");
    }
}

#[test]
fn a_put_back_is_exact_and_names_what_was_only_in_the_log() {
    let node = abandoned();
    let proof = put_back(&node);
    assert_back(&node);
    let lost: BTreeMap<&str, Change> = proof.lost.iter().map(|lost| (lost.name.as_str(), lost.change)).collect();
    let expected = [
        ("brief", Change::CameAndWent),
        ("changed", Change::Changed),
        ("created", Change::Created),
        ("deleted", Change::Deleted),
        ("last", Change::Created),
    ];
    assert_eq!(lost, expected.into());
    assert!(proof.lost_complete);
    assert_eq!((proof.kept_revision, proof.abandoned_revision, proof.revision), (6, Some(12), 1040));
    // Again: the same answer, and nothing exchanged twice.
    let again = put_back(&node);
    assert_eq!((again.lost, again.revision), (proof.lost, proof.revision));
    assert_back(&node);
}

#[test]
fn a_boot_finishes_a_put_back_alone() {
    let node = abandoned();
    node.boot();
    assert_eq!(recover(&node.places), [format!("run {}: put back", node.run)]);
    assert_back(&node);
}

#[test]
fn several_members_are_refused_by_name() {
    let mut etcd = etcd();
    etcd.members = 3;
    let node = node_with(&etcd);
    assert!(node.fault(node.fence(), FaultKind::Refused).contains("3 members"));
}

#[test]
fn a_database_that_somebody_has_open_is_not_down() {
    let node = node_with(&etcd());
    node.forward(4);
    let database = fs::File::open(node.path("k3s/server/db/etcd/member/snap/db")).unwrap();
    rustix::fs::flock(&database, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let message = node.fault(Op::Keep, FaultKind::Refused);
    assert!(message.contains("not stopped"), "{message}");
    drop(database);
    node.act(Op::Stop);
    let database = fs::File::open(node.path("k3s/server/db/etcd/member/snap/db")).unwrap();
    rustix::fs::flock(&database, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(node.fault(Op::Keep, FaultKind::Stale).contains("locked"));
}

/// K3s copies its database beside itself at each start, so a full disk kept the old version down as well.
#[test]
fn what_k3s_needs_for_a_start_is_reserved_until_the_way_back_starts_it() {
    for way in ["coordinator", "guard", "boot", "commit"] {
        let node = node_with(&etcd());
        let database = fs::metadata(node.path("k3s/server/db/etcd/member/snap/db")).unwrap().len();
        let reserve = node.path(&format!("k3s/.belay-start-reserve-{}", node.run));
        for op in node.guarded_steps() {
            node.act(op);
        }
        assert_eq!(fs::metadata(&reserve).unwrap().len(), database + 128_000_000);
        match way {
            "coordinator" => {
                node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "n1.start: no space left on device".into() });
                node.act(Op::Stop);
                node.act(Op::PutBack { seen: 0 });
                assert!(reserve.exists(), "K3s was not started yet");
                node.act(Op::Start);
            }
            "guard" => {
                node.later(Span::seconds(600));
                assert_eq!(guard(&node.places).len(), 1);
            }
            "boot" => {
                node.act(Op::Turn { seen: 0, class: WayClass::Keep, why: "n1.start: no space left on device".into() });
                node.boot();
                assert_eq!(recover(&node.places).len(), 1);
            }
            _ => {
                node.act(Op::Vouch);
                node.act(Op::Release { keep_way_back: true });
            }
        }
        assert!(!reserve.exists(), "{way}");
    }
}
