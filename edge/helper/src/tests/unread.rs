//! What is not read again: where the kernel says that nobody touched a file. A change is seen all the same.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use belay_wire::{DatastoreMark, FaultKind, KeepProof, Op};

use super::node::{NEW, Node, OLD};
use crate::digests::digest_file;
use crate::mark::is_marked;
use crate::stamp::Stamp;

/// A node whose K3s was stopped, with a copy of a datastore that nobody has just written.
fn kept() -> (Node, KeepProof) {
    let node = Node::new();
    node.forward(5);
    for name in ["state.db", "state.db-wal"] {
        while Stamp::read(&database(&node, name)).is_ok_and(|stamp| !stamp.is_settled()) {
            std::thread::yield_now();
        }
    }
    node.act(Op::Keep);
    let kept = node.folded().kept.unwrap();
    assert!(!kept.stamps.is_empty(), "{kept:?}");
    (node, kept)
}

fn database(node: &Node, name: &str) -> std::path::PathBuf {
    node.path("k3s/server/db").join(name)
}

/// Changes a byte in the middle, and puts the time of modification back.
fn alter(path: &Path) {
    let (length, time) = fs::metadata(path).map(|meta| (meta.len(), meta.modified().unwrap())).unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, length / 2).unwrap();
    file.write_all_at(&[!byte[0]], length / 2).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_write_into_the_datastore_that_hides_its_time_makes_the_copy_stale() {
    let (node, _) = kept();
    alter(&database(&node, "state.db"));
    assert!(node.fault(Op::Swap, FaultKind::Stale).contains("written in between"));
    assert_eq!(node.version(), OLD);
}

#[test]
fn a_datastore_that_was_touched_and_not_written_is_read_and_found_unchanged() {
    let (node, kept) = kept();
    let path = database(&node, "state.db");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let seen = kept.stamps.iter().find(|stamp| stamp.name == "db/state.db").unwrap();
    assert_ne!(Stamp::read(&path).unwrap().changed, seen.changed);
    node.act(Op::Swap);
    assert_eq!(node.version(), NEW);
}

#[test]
fn a_slot_that_changed_after_it_was_staged_refuses_the_stop_and_not_the_swap() {
    let node = Node::new();
    node.forward(4);
    let slot = node.path("bin").join(format!(".k3s.belay-{}", node.run));
    alter(&slot);
    node.fault(Op::Stop, FaultKind::Refused);
    assert_eq!(node.jobs(), "");
    alter(&slot);
    node.forward(6);
    // Its digest is known to this process by now.
    alter(&slot);
    assert!(node.fault(Op::Swap, FaultKind::Refused).contains("not the verified artifact"));
    assert_eq!(node.version(), OLD);
}

/// A run that an earlier Belay began is finished by this one: its journal has neither stamps nor trimmed digests.
#[test]
fn a_proof_of_an_earlier_belay_is_read_and_still_holds() {
    let (node, kept) = kept();
    let mut json = serde_json::to_value(&kept).unwrap();
    json.as_object_mut().unwrap().remove("stamps");
    let files = kept.mark.files.iter().map(|(name, _, time, _)| {
        let (digest, size) = digest_file(&node.path("k3s/server").join(name)).unwrap();
        serde_json::json!([name, size, time, digest])
    });
    json["mark"] = serde_json::json!({ "files": files.collect::<Vec<_>>() });
    let old: KeepProof = serde_json::from_value(json).unwrap();
    assert!(old.stamps.is_empty() && !old.mark.trimmed);
    let holds = |mark: &DatastoreMark| is_marked(Path::new(&kept.path), node.target.datastore, mark).unwrap();
    assert!(holds(&old.mark) && holds(&kept.mark));
    alter(&Path::new(&kept.path).join("db/state.db"));
    assert!(!holds(&old.mark) && !holds(&kept.mark));
}
