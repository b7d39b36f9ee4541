//! What K3s extracted, compared with its list while it runs from there.

use std::fs;
use std::os::unix::fs::symlink;

use super::node::{Node, OLD, hash_of};

fn running() -> Node {
    let node = Node::new();
    fs::write(
        node.path("unit/state"),
        "active=active\nsub=running\nresult=success\ninvocation=1\nrestarts=0\npid=812\n",
    )
    .unwrap();
    fs::create_dir_all(node.path("proc/812")).unwrap();
    symlink(node.path("k3s/data").join(hash_of(OLD)).join("bin/k3s"), node.path("proc/812/exe")).unwrap();
    fs::write(node.path("proc/812/stat"), format!("812 (k3s-server) S {}\n", "0 ".repeat(30))).unwrap();
    fs::write(node.path("proc/812/status"), "VmRSS: 1 kB\n").unwrap();
    node
}

/// F005: a SIGSEGV after an upgrade, cured by deleting the data directory; the download had been good.
#[test]
fn a_file_that_changed_since_it_was_extracted_is_named() {
    let node = running();
    let bin = node.path("k3s/data").join(hash_of(OLD)).join("bin");
    let userland = crate::userland(&node.places).unwrap();
    assert_eq!((userland.data_hash, userland.listed, userland.damaged.len()), (hash_of(OLD), 2, 0));
    let whole = fs::read(bin.join("k3s")).unwrap();
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    fs::write(bin.join("k3s"), flipped).unwrap();
    let damaged = crate::userland(&node.places).unwrap().damaged;
    assert!(matches!(damaged.as_slice(), [one] if one.starts_with("k3s: sha256:")), "{damaged:?}");
    fs::remove_file(bin.join("k3s")).unwrap();
    fs::remove_file(bin.join("kubectl")).unwrap();
    fs::write(bin.join("kubectl"), "").unwrap();
    let damaged = crate::userland(&node.places).unwrap().damaged;
    assert_eq!(damaged.len(), 2, "{damaged:?}");
    assert_eq!(damaged[1], "kubectl: not a link to k3s");
}

#[test]
fn of_a_k3s_that_is_down_nothing_is_said() {
    let why = crate::userland(&Node::new().places).unwrap_err().message;
    assert!(why.contains("does not run"), "{why}");
    let node = running();
    fs::remove_file(node.path("k3s/data").join(hash_of(OLD)).join("bin/.sha256sums")).unwrap();
    assert!(crate::userland(&node.places).unwrap_err().message.contains(".sha256sums"));
}
