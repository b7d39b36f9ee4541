//! The objects of the cluster: which copy they are read from, and what is left behind.

use std::fs;
use std::time::{Duration, SystemTime};

use belay_facts::{Inventory, InventoryKind};
use belay_wire::{Fault, FaultKind};

use super::etcd::node_with;
use super::node::Node;
use crate::etcd::fixture::{Etcd, snapshot};
use crate::inventory;

const WEB: &str = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"web"}}"#;
const KEY: &str = "/registry/example.com/widgets/web";

fn read(node: &Node, fresh: bool) -> Result<Inventory, Fault> {
    inventory(&node.places, fresh, Duration::from_secs(9))
}

fn with_objects() -> Etcd {
    let mut etcd = Etcd::new();
    etcd.put(KEY, "{}");
    etcd.put(KEY, WEB);
    etcd.put("/registry/example.com/widgets/gone", WEB);
    etcd.delete("/registry/example.com/widgets/gone");
    etcd.put("/bootstrap/1ec1c26b50d5", "x");
    etcd
}

fn told(inventory: &Inventory) -> (InventoryKind, u64, u64, u64) {
    (inventory.source.kind, inventory.objects, inventory.undecoded, inventory.bootstrap_keys)
}

#[test]
fn without_a_copy_the_datastore_in_use_is_read() {
    let node = Node::new();
    node.put(KEY, "{}");
    node.put(KEY, WEB);
    node.put("/registry/example.com/widgets/gone", WEB);
    node.delete("/registry/example.com/widgets/gone");
    // Those of the fixture are no objects.
    assert_eq!(told(&read(&node, false).unwrap()), (InventoryKind::Online, 1, 4, 0));
    let node = node_with(&with_objects());
    fs::remove_file(node.path("k3s/server/db/snapshots/first")).unwrap();
    assert_eq!(told(&read(&node, false).unwrap()), (InventoryKind::Online, 1, 0, 1));
    assert!(!node.places.state.join("objects").exists(), "the snapshot for the check is gone again");
    assert_eq!(fs::read_dir(node.path("k3s/server/db/snapshots")).unwrap().count(), 0);
}

/// One took the other's copy away, which then said that the objects could not be read.
#[test]
fn two_readings_at_once_shared_one_scratch() {
    let node = node_with(&with_objects());
    fs::remove_file(node.path("k3s/server/db/snapshots/first")).unwrap();
    let copy = node.places.state.join("objects/snapshot.db");
    let first = inventory::reading(&node.places, Duration::ZERO).unwrap();
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::write(&copy, "being read").unwrap();
    let fault = inventory::inventory(&node.places, true, Duration::ZERO).unwrap_err();
    assert!(fault.message.contains("is reading the objects of this node"), "{}", fault.message);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "being read");
    drop(first);
    assert_eq!(told(&read(&node, true).unwrap()), (InventoryKind::Online, 1, 0, 1));
}

#[test]
fn a_backup_of_today_is_read_and_a_fresh_one_on_demand() {
    let node = Node::new();
    node.put(KEY, WEB);
    node.forward(4);
    node.put("/registry/example.com/widgets/later", WEB);
    let (stored, now) = (read(&node, false).unwrap(), read(&node, true).unwrap());
    assert_eq!((stored.source.kind, stored.objects), (InventoryKind::Backup, 1));
    assert_eq!((now.source.kind, now.objects), (InventoryKind::Online, 2));
    // A backup that does not open any more is no reason to know nothing.
    fs::write(&stored.source.path, "no database").unwrap();
    assert_eq!(read(&node, false).unwrap().source.kind, InventoryKind::Online);
}

#[test]
fn a_snapshot_that_k3s_made_today_is_read_and_no_older_one() {
    let node = node_with(&with_objects());
    let path = node.path("k3s/server/db/snapshots/first");
    fs::write(&path, snapshot(&node.path("k3s/server"))).unwrap();
    assert_eq!(told(&read(&node, false).unwrap()), (InventoryKind::Snapshot, 1, 0, 1));
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    assert_eq!(read(&node, false).unwrap().source.kind, InventoryKind::Online);
    // An archive is none.
    fs::rename(&path, path.with_extension("zip")).unwrap();
    assert_eq!(read(&node, false).unwrap().source.kind, InventoryKind::Online);
}

#[test]
fn a_node_without_a_datastore_says_so() {
    let node = Node::new();
    fs::write(node.path("etc/rancher/k3s/config.yaml"), "datastore-endpoint: mysql://x\n").unwrap();
    let fault = read(&node, false).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.message.contains("external"), "{}", fault.message);
    fs::remove_file(node.path("etc/systemd/system/k3s.service")).unwrap();
    assert!(read(&node, false).unwrap_err().message.contains("runs a K3s server"));
}
