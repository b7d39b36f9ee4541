use std::fs;

use belay_wire::{FaultKind, Op, Reply};

use super::node::Node;

fn receipt(node: &Node) -> belay_wire::BackupReceipt {
    match node.act(Op::ProveBackup) {
        Reply::Proven(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_receipt_is_read_from_the_stored_copy() {
    let node = Node::new();
    node.forward(3);
    // The live datastore goes on; the receipt is about what was stored.
    node.put("/registry/configmaps/default/later", "x");
    let first = receipt(&node);
    assert_eq!((first.revision, first.keys, first.integrity.as_str()), (5, 4, "ok"));
    let has = |name: &str| first.files.iter().any(|(file, _)| file.ends_with(name));
    for name in [
        "server/token",
        "server/tls/client-admin.crt",
        "server/cred/passwd",
        "server/manifests/mine.yaml",
        "etc/rancher/k3s/config.yaml",
        "etc/rancher/node/password",
        "etc/systemd/system/k3s.service",
        "k3s.service.env",
        "bin/k3s",
    ] {
        assert!(has(name), "{name} is missing in {:?}", first.files);
    }
    assert!(!has("state.db-wal") && !has(belay_wire::INTERLOCK));
    let mode = |path: &std::path::Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777;
    assert_eq!(mode(&node.places.backup_dir(&node.run)), 0o700);
    // Two backups of the same state have the same root, one of another state has not.
    let same = crate::prove::prove(&node.folded().backed_up.unwrap(), std::time::Duration::from_secs(9)).unwrap();
    assert_eq!(same.root, first.root);
    let other = Node::new();
    other.put("/registry/configmaps/default/kept", "another value");
    other.forward(3);
    assert_ne!(receipt(&other).root, first.root);
}

/// Found by `./dev crash` with several kills: a backup was cut off, the run was taken back, and half a copy with the keys of the
/// cluster stayed on the node for ever.
#[test]
fn half_a_backup_does_not_outlive_its_run() {
    let node = Node::new();
    node.forward(2);
    let half = node.places.backup_dir(&node.run).with_file_name(format!("{}.partial", node.run));
    fs::create_dir_all(half.join("files")).unwrap();
    fs::write(half.join("files/token"), "s3cret").unwrap();
    let Reply::Released(proof) = node.act(Op::Release { keep_way_back: false }) else { panic!() };
    assert!(!half.exists());
    assert!(!proof.stays.iter().any(|stays| stays.contains("partial")), "{:?}", proof.stays);
}

/// Found by `./dev crash` with several kills: the node was cut off while it set its marker, and half of that stayed for ever.
#[test]
fn half_a_marker_does_not_outlive_its_run() {
    let node = Node::new();
    node.forward(2);
    let half = node.path("k3s").join(format!(".{}.belay-new", belay_wire::MARKER));
    fs::write(&half, "2026-11-2").unwrap();
    node.act(Op::Release { keep_way_back: false });
    assert!(!half.exists());
}

#[test]
fn a_backup_that_was_truncated_or_altered_gets_no_receipt() {
    for harm in ["truncate", "flip", "empty", "token", "certificate", "manifest"] {
        let node = Node::new();
        node.forward(3);
        let dir = node.places.backup_dir(&node.run);
        let database = dir.join("datastore/state.db");
        let mut bytes = fs::read(&database).unwrap();
        match harm {
            "truncate" => fs::write(&database, &bytes[..bytes.len() / 2]).unwrap(),
            "flip" => {
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&database, bytes).unwrap();
            }
            "empty" => fs::write(&database, "").unwrap(),
            "manifest" => {
                // A manifest that agrees with what was altered: only the journal knows better.
                let manifest = dir.join("manifest.json");
                let old = belay_facts::Digest::of(&bytes).to_string();
                bytes.extend([0; 4096]);
                fs::write(&database, &bytes).unwrap();
                let new = belay_facts::Digest::of(&bytes).to_string();
                fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace(&old, &new)).unwrap();
            }
            name => {
                let name = if name == "token" { "token" } else { "tls/client-admin.crt" };
                let root = node.path("k3s/server").join(name);
                fs::write(dir.join("files").join(root.strip_prefix("/").unwrap()), "x").unwrap();
            }
        }
        let message = node.fault(Op::ProveBackup, FaultKind::Failed);
        assert!(message.contains("altered"), "{harm}: {message}");
        assert!(node.fault(Op::Stop, FaultKind::Refused).contains("receipt"), "{harm}");
        assert_eq!(node.jobs(), "", "K3s was not touched");
    }
}

#[test]
fn a_damaged_datastore_gets_no_receipt_even_when_it_was_copied_faithfully() {
    let node = Node::new();
    for n in 0..400 {
        node.put(&format!("/registry/configmaps/default/n{n}"), &"x".repeat(200));
    }
    let database = node.database();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    drop(database);
    let path = node.path("k3s/server/db/state.db");
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 64].fill(0xff);
    fs::write(path, bytes).unwrap();
    node.forward(3);
    node.fault(Op::ProveBackup, FaultKind::Failed);
}

#[test]
fn a_backup_is_refused_in_the_middle_of_a_key_rotation() {
    let node = Node::new();
    node.forward(2);
    let state = node.path("k3s/server/cred/encryption-state.json");
    fs::write(&state, r#"{"stage":"reencrypt_active"}"#).unwrap();
    assert!(node.fault(Op::Backup, FaultKind::Refused).contains("reencrypt_active"));
    fs::write(&state, r#"{"stage":"reencrypt_finished"}"#).unwrap();
    node.act(Op::Backup);
}

/// Where K3s' own keys lie in the datastore, they must open with the token that is in the backup.
#[test]
fn a_receipt_says_decrypts_only_where_the_saved_token_opens_the_cluster_keys() {
    let sealed = "f81f9d7c83f39586:giVIsw/uj1A3QwdXqMKKGD3fG2n4Et/ZDVcKOyzo/Gsw5k7j52CQ13WxWwcbZJ+Fkc9M2icmf2k=";
    let with = |token: &str, row: Option<&str>| {
        let node = Node::new();
        fs::write(node.path("etc/systemd/system/k3s.service.env"), format!("K3S_TOKEN={token}\n")).unwrap();
        fs::write(node.path("k3s/server/token"), format!("K10abc::server:{token}\n")).unwrap();
        if let Some(row) = row {
            node.put(row, sealed);
        }
        node.forward(3);
        node
    };
    assert_eq!(receipt(&with("s3cret", Some("/bootstrap/1ec1c26b50d5"))).level, "decrypts");
    assert_eq!(receipt(&with("s3cret", None)).level, "readable");
    // The row of this token, sealed with another one.
    let node = with("other", Some(&crate::bootstrap::row("other")));
    let said = node.fault(Op::ProveBackup, FaultKind::Failed);
    assert!(said.contains("do not open") && !said.contains("s3cret"), "{said}");
}
