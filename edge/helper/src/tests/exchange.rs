//! What a swap does to the files themselves.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::node::{NEW, Node, OLD, k3s};

/// F017: "Text file busy", because the new version was written into the executable of the old one.
#[test]
fn a_swap_exchanges_names_and_never_writes_into_the_file_that_runs() {
    let node = Node::new();
    let (binary, slot) = (node.path("bin/k3s"), node.path(&format!("bin/.k3s.belay-{}", node.run)));
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let old = inode(&binary);
    // As the kernel has it open for as long as it runs.
    let mut runs = fs::File::open(&binary).unwrap();
    node.forward(6);
    let new = inode(&slot);
    assert_eq!((inode(&binary), node.version()), (old, OLD));
    node.forward(7);
    assert_eq!((inode(&binary), inode(&slot), node.version()), (new, old, NEW));
    let mut still = String::new();
    std::io::Read::read_to_string(&mut runs, &mut still).unwrap();
    assert_eq!(still, k3s(OLD));
}
