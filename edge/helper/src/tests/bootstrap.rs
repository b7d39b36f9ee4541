//! Whether the next start of K3s finds its own CAs and keys in the datastore, and takes those on the disk.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belay_facts::{BootstrapFacts, DifferingFile, TokenFit};
use sha1::Sha1;

use super::etcd::{etcd, node_with};
use super::node::Node;
use crate::bootstrap::row;

/// As K3s seals, with fixed salt and nonce.
fn sealed(passphrase: &str, text: &str) -> String {
    let mut key = Key::<Aes256Gcm>::default();
    pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), b"0011223344556677", 4096, &mut key);
    let nonce = [7_u8; 12];
    let sealed = Aes256Gcm::new(&key).encrypt(&Nonce::from(nonce), text.as_bytes()).unwrap();
    format!("0011223344556677:{}", STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

fn kept(passwd: &str, when: &str) -> String {
    format!(r#"{{"PasswdFile":{{"Timestamp":"{when}","Content":"{}"}}}}"#, STANDARD.encode(passwd))
}

/// Every directory has something in it, as on a server that has started once.
fn complete(node: &Node) {
    fs::create_dir_all(node.path("k3s/server/tls/etcd")).unwrap();
    fs::write(node.path("k3s/server/tls/etcd/client.crt"), "certificate\n").unwrap();
}

fn facts(node: &Node) -> BootstrapFacts {
    let inspection = crate::inspect(&node.places).unwrap();
    let told = serde_json::to_string(&inspection).unwrap();
    assert!(!told.contains("s3cret"), "{told}");
    inspection.node.datastore.unwrap().bootstrap.unwrap_or_else(|| panic!("{:?}", inspection.notes))
}

fn with_token(token: &str) -> Node {
    let node = Node::new();
    complete(&node);
    fs::write(node.path("etc/systemd/system/k3s.service.env"), format!("K3S_TOKEN={token}\n")).unwrap();
    node
}

/// F013: a playbook rewrites the token, and the next start finds "bootstrap data … encrypted with different token".
#[test]
fn a_token_that_does_not_fit_the_datastore_is_seen_before_the_start() {
    for (token, sealed_with, fit) in [
        ("s3cret", "s3cret", TokenFit::Fits),
        ("K10abc::server:s3cret", "s3cret", TokenFit::Fits),
        ("K10abc::server:s3cret", "K10abc::server:s3cret", TokenFit::Fits),
        ("s3cret", "", TokenFit::Fits),
        ("s3cret", "another", TokenFit::Other),
    ] {
        let node = with_token(token);
        node.put(&row(sealed_with), &sealed(sealed_with, &kept("passwd\n", "2026-11-23T17:13:08Z")));
        assert_eq!(facts(&node).token, fit, "{token} {sealed_with}");
    }
    let node = with_token("s3cret");
    assert_eq!(facts(&node).token, TokenFit::Absent);
    node.put(&row("s3cret"), &sealed("another", "{}"));
    assert_eq!(facts(&node).token, TokenFit::Other, "a row of this name that another token sealed");
    node.delete(&row("s3cret"));
    assert_eq!(facts(&node).token, TokenFit::Absent);
}

#[test]
fn of_etcd_the_same_is_seen() {
    let mut etcd = etcd();
    etcd.put(&row("password"), &sealed("password", &kept("another\n", "2020-01-01T00:00:00Z")));
    let node = node_with(&etcd);
    let newer = DifferingFile { file: "cred/passwd".into(), newer: true };
    assert_eq!(facts(&node), BootstrapFacts { token: TokenFit::Fits, differing: Some(vec![newer]) });
    fs::write(node.path("etc/rancher/k3s/config.yaml"), "token: s3cret\n").unwrap();
    assert_eq!(facts(&node), BootstrapFacts { token: TokenFit::Other, differing: None });
}

/// F043: "cred/passwd newer than datastore and could cause a cluster outage".
#[test]
fn a_file_that_is_newer_than_the_datastores_is_told_apart_from_an_older_one() {
    let node = with_token("s3cret");
    node.put(&row("s3cret"), &sealed("s3cret", &kept("as stored\n", "2026-11-23T18:13:08.5+01:00")));
    let path = node.path("k3s/server/cred/passwd");
    let stored = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_453_988);
    let at = |seconds: u64| File::open(&path).unwrap().set_modified(stored + Duration::from_secs(seconds)).unwrap();
    let differing = || facts(&node).differing.unwrap();
    for (seconds, newer) in [(0, false), (2, false), (3, true), (1000, true)] {
        at(seconds);
        assert_eq!(differing(), [DifferingFile { file: "cred/passwd".into(), newer }], "{seconds}");
    }
    fs::write(&path, "as stored\n").unwrap();
    assert_eq!(differing(), []);
    fs::remove_file(&path).unwrap();
    fs::write(node.path("k3s/server/cred/other"), "").unwrap();
    assert_eq!(differing(), [], "a start writes what is not there");
}

#[test]
fn files_of_an_encryption_that_is_off_are_not_compared() {
    let node = with_token("s3cret");
    let text = format!(
        r#"{{"EncryptionConfig":{{"Timestamp":"2020-01-01T00:00:00Z","Content":"{}"}}}}"#,
        STANDARD.encode("old")
    );
    node.put(&row("s3cret"), &sealed("s3cret", &text));
    fs::write(node.path("k3s/server/cred/encryption-config.json"), "new").unwrap();
    assert_eq!(facts(&node).differing.unwrap(), []);
    fs::write(node.path("etc/rancher/k3s/config.yaml"), "secrets-encryption: true\n").unwrap();
    assert_eq!(facts(&node).differing.unwrap().len(), 1);
}

#[test]
fn over_kine_an_empty_directory_makes_the_start_write_all_of_it() {
    let node = with_token("s3cret");
    node.put(&row("s3cret"), &sealed("s3cret", &kept("as stored\n", "2020-01-01T00:00:00Z")));
    fs::remove_file(node.path("k3s/server/tls/etcd/client.crt")).unwrap();
    assert_eq!(facts(&node).differing.unwrap(), []);
}
