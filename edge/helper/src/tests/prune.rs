//! What `prune` may remove, and what it may not.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use belay_wire::{FaultKind, LeftoverKind, Op};

use super::node::{NEW, Node, Quiet, hash_of};
use crate::inventory;
use crate::prune::{leftovers, prune};

/// One upgrade, committed as its gates said yes.
fn committed() -> Node {
    let node = Node::new();
    node.forward(8);
    node.act(Op::Vouch);
    node.act(Op::Release { keep_way_back: true });
    node
}

fn kinds(node: &Node) -> Vec<LeftoverKind> {
    leftovers(&node.places).unwrap().into_iter().map(|leftover| leftover.what).collect()
}

#[test]
fn nothing_of_an_open_run_is_touched() {
    let node = Node::new();
    node.forward(8);
    let refused = leftovers(&node.places).unwrap_err();
    assert_eq!(refused.kind, FaultKind::Refused);
    assert!(refused.hint.is_some_and(|hint| hint.contains(&format!("belay resume {}", node.run))));
    let keep = node.path(&format!("k3s/server.belay-{}", node.run));
    let asked = [keep.to_string_lossy().into_owned()];
    assert!(prune(&node.places, &asked, &mut Quiet(Vec::new())).is_err());
    assert!(keep.is_dir());
}

#[test]
fn the_way_back_of_a_committed_run_goes_and_its_backup_stays_as_the_last_good_one() {
    let node = committed();
    let all: Vec<String> = leftovers(&node.places).unwrap().into_iter().map(|leftover| leftover.path).collect();
    assert_eq!(kinds(&node)[..2], [LeftoverKind::Slot, LeftoverKind::Kept]);
    let live = super::node::listing(&node.path("k3s/server"));
    prune(&node.places, &all, &mut Quiet(Vec::new())).unwrap();
    assert_eq!(leftovers(&node.places).unwrap(), []);
    assert!(!node.path(&format!("k3s/server.belay-{}", node.run)).exists());
    assert!(!node.path(&format!("bin/.k3s.belay-{}", node.run)).exists());
    assert!(node.places.backup_dir(&node.run).join("receipt.json").is_file(), "invariant I8");
    assert_eq!(super::node::listing(&node.path("k3s/server")), live);
    assert_eq!(node.version(), NEW);
}

#[test]
fn an_older_backup_goes_only_when_a_newer_one_has_its_receipt() {
    let mut node = committed();
    let first = node.run.clone();
    // A second run that came no further than its backup, without a receipt.
    node.run = "2026-11-24-0001".into();
    (node.target.old, node.target.old_version) = (node.target.new, node.target.new_version.clone());
    node.act(node.fence());
    node.act(Op::Backup);
    node.act(Op::Release { keep_way_back: false });
    let backups = |node: &Node| -> Vec<String> {
        let found = leftovers(&node.places).unwrap().into_iter();
        found.filter(|leftover| leftover.what == LeftoverKind::Backup).map(|leftover| leftover.run).collect()
    };
    assert_eq!(backups(&node), [node.run.clone()], "the unproven one, though it is newer");
    // A third one with a receipt: now it is the last good one.
    node.run = "2026-11-24-0000".into();
    node.act(node.fence());
    node.act(Op::Backup);
    node.act(Op::ProveBackup);
    let receipt = node.places.backup_dir(&node.run).join("receipt.json");
    assert!(receipt.is_file());
    node.act(Op::Release { keep_way_back: true });
    assert_eq!(node.folded().ended.as_deref(), Some("unchanged"), "a backup alone commits no version");
    assert!(!backups(&node).contains(&node.run) && backups(&node).contains(&first), "{:?}", backups(&node));
    // Its receipt is gone: it proves nothing any more, and the first one is the last good one again.
    fs::remove_file(receipt).unwrap();
    assert!(!backups(&node).contains(&first), "{:?}", backups(&node));
}

#[test]
fn extracted_data_that_a_process_runs_from_stays() {
    let node = committed();
    // As K3s leaves it after its first start: `previous` names what ran before, and a later upgrade moves it on.
    fs::remove_file(node.path("k3s/data/previous")).unwrap_or_default();
    fs::remove_dir_all(node.path("k3s/data/cni")).unwrap();
    fs::remove_file(node.path("k3s/data/current")).unwrap();
    symlink(node.path("k3s/data/elsewhere"), node.path("k3s/data/current")).unwrap();
    let staged = node.path("k3s/data").join(hash_of(NEW));
    assert!(leftovers(&node.places).unwrap().iter().any(|l| staged.to_string_lossy() == l.path.as_str()));
    let process = node.path("proc/4242");
    fs::create_dir_all(&process).unwrap();
    symlink(staged.join("bin/containerd-shim-runc-v2"), process.join("exe")).unwrap();
    assert!(!leftovers(&node.places).unwrap().iter().any(|l| staged.to_string_lossy() == l.path.as_str()));
}

#[test]
fn only_what_is_a_leftover_is_removed_whatever_was_asked_for() {
    let node = committed();
    let server = node.path("k3s/server").to_string_lossy().into_owned();
    let removed = prune(&node.places, &[server, "/etc/passwd".into()], &mut Quiet(Vec::new())).unwrap();
    assert_eq!(removed, []);
    assert!(node.path("k3s/server/token").exists());
}

/// It is a whole copy of the cluster, secrets included.
#[test]
fn what_a_reading_of_objects_that_was_killed_has_left_goes() {
    let node = committed();
    let scratch = node.places.state.join("objects");
    fs::create_dir_all(&scratch).unwrap();
    fs::write(scratch.join("snapshot.db"), "every secret").unwrap();
    let path = scratch.to_string_lossy().into_owned();
    let reading = inventory::reading(&node.places, Duration::ZERO).unwrap();
    assert!(leftovers(&node.places).unwrap().iter().all(|left| left.path != path), "somebody reads it");
    drop(reading);
    assert!(leftovers(&node.places).unwrap().iter().any(|left| left.path == path && left.bytes > 0));
    prune(&node.places, &[path], &mut Quiet(Vec::new())).unwrap();
    assert!(!scratch.exists());
}
