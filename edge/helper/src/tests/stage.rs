use std::fs;

use belay_facts::Digest;
use belay_wire::{ArtifactSpec, FaultKind, Op, Reply, Way};

use super::node::{NEW, Node, OLD, Quiet, hash_of, k3s, listing};
use crate::digests::SeenDigests;
use crate::mutate::mutate;

/// Offers `content` as the artifact; the plan names its true digest unless `lie`.
fn offer(node: &mut Node, content: &str, honest: bool) -> Op {
    fs::write(&node.artifact, content).unwrap();
    if honest {
        node.target.new = Digest::of(content.as_bytes());
    }
    node.stage()
}

fn nothing_left(node: &Node) {
    let names = listing(node.root.path()).join("\n");
    assert!(!names.contains(".k3s.belay-") && !names.contains(".belay-extract"), "{names}");
    assert!(!node.path("k3s/data").join(hash_of(NEW)).exists());
    assert_eq!(node.version(), OLD);
}

#[test]
fn only_the_verified_artifact_becomes_a_slot_and_nothing_live_moves() {
    let node = Node::new();
    node.act(node.fence());
    let links = crate::links::data_links(&node.path("k3s"));
    let Reply::Staged(proof) = node.act(node.stage()) else { panic!() };
    assert_eq!((proof.version.tag(), proof.data_hash.clone()), (NEW.to_owned(), hash_of(NEW)));
    assert_eq!(proof.inner, Digest::of(format!("inner {NEW}").as_bytes()));
    assert!(!proof.extracted_before);
    assert_eq!(crate::links::data_links(&node.path("k3s")), links);
    let mode = |path: &str| std::os::unix::fs::MetadataExt::mode(&fs::metadata(node.path(path)).unwrap());
    assert_eq!(mode(&format!("bin/.k3s.belay-{}", node.run)), mode("bin/k3s"));
    assert!(!node.path(&format!("k3s/.belay-extract-{}", node.run)).exists());
}

#[test]
fn what_is_there_already_is_verified_and_used() {
    let node = Node::new();
    node.act(node.fence());
    let bin = node.path("k3s/data").join(hash_of(NEW)).join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("k3s"), "inner tampered").unwrap();
    fs::write(bin.join(".sha256sums"), format!("{}  k3s\n", Digest::of(format!("inner {NEW}").as_bytes()).hex()))
        .unwrap();
    fs::write(bin.join(".links"), "").unwrap();
    assert!(node.fault(node.stage(), FaultKind::Failed).contains("sha256sums"));
    fs::write(bin.join("k3s"), format!("inner {NEW}")).unwrap();
    let Reply::Staged(proof) = node.act(node.stage()) else { panic!() };
    assert!(proof.extracted_before);
}

#[test]
fn an_artifact_that_is_not_what_the_plan_names_is_never_executed() {
    let mut node = Node::new();
    node.act(node.fence());
    let ran = node.path("ran");
    let evil = format!("#!/bin/sh\ntouch {}\n{}", ran.display(), k3s(NEW));
    let op = offer(&mut node, &evil, false);
    assert!(node.fault(op, FaultKind::Failed).contains("sha256"));
    nothing_left(&node);
    assert!(!ran.exists(), "invariant I4");
}

#[test]
fn truncated_endless_and_mislabelled_artifacts_are_refused_and_leave_nothing() {
    // Another release with matching sums: only its own words betray it.
    let mut node = Node::new();
    node.act(node.fence());
    let op = offer(&mut node, &k3s("v1.36.3+k3s2"), true);
    assert!(node.fault(op, FaultKind::Failed).contains("v1.36.3+k3s2"));
    nothing_left(&node);
    // HTML that was served with 200, under its own true digest.
    let op = offer(&mut node, "<html>not found</html>", true);
    node.fault(op, FaultKind::Failed);
    nothing_left(&node);
    // Truncated and endless, by the size that the plan names.
    for size in [10, 1_000_000] {
        let op = offer(&mut node, &k3s(NEW), true);
        let Op::Stage { artifact, have } = op else { panic!() };
        let op = Op::Stage { artifact: ArtifactSpec { size, ..artifact }, have };
        node.fault(op, FaultKind::Failed);
        nothing_left(&node);
    }
    // One that extracts files that are not those of its own list.
    let op = offer(&mut node, &format!("{}printf x >> k3s\n", k3s(NEW)), true);
    assert!(node.fault(op, FaultKind::Failed).contains("sha256sums"));
    nothing_left(&node);
}

#[test]
fn bytes_that_come_over_the_channel_make_the_same_slot() {
    let node = Node::new();
    node.act(node.fence());
    let Op::Stage { artifact, .. } = node.stage() else { panic!() };
    let bytes = fs::read(&node.artifact).unwrap();
    let pieces = bytes.chunks(100).map(<[u8]>::to_vec).chain([Vec::new()]).collect();
    let mutation = node.mutation(Op::Stage { artifact, have: None }, Way::Do);
    let reply = mutate(&node.places, &mutation, &mut Quiet(pieces), &SeenDigests::default()).unwrap();
    assert!(matches!(reply, Reply::Staged(proof) if proof.digest == node.target.new));
}
