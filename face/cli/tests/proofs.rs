//! A report reads a step's proof as JSON, because face does not see the wire. What the node sends and what the report
//! reads must stay one shape: a field that is renamed on one side alone fails here.

#![allow(clippy::unwrap_used, reason = "a test may fail; clippy.toml exempts only functions marked as tests")]

use std::collections::BTreeMap;

use belay_facts::{DatastoreKind, Digest, Span};
use belay_report::{Lost, Receipt};
use belay_wire::{BackupReceipt, Change, LostObject, PutBackProof};
use serde_json::{Value, json};

#[test]
fn the_report_reads_every_field_of_a_receipt() {
    let receipt = BackupReceipt {
        path: "/backup".into(),
        kind: DatastoreKind::Sqlite,
        taken_at_unix: 1_795_000_000,
        size: 4096,
        digest: Digest::of(b"file"),
        integrity: "ok".into(),
        revision: 7,
        keys: 3,
        root: Digest::of(b"root"),
        files: vec![("token".into(), Digest::of(b"token"))],
        level: "readable".into(),
    };
    let sent = serde_json::to_value(&receipt).unwrap();
    let read: Receipt = serde_json::from_value(sent.clone()).unwrap();
    let mut read = serde_json::to_value(read).unwrap();
    // The report adds whose it is.
    assert_eq!(read.as_object_mut().unwrap().remove("node"), Some(json!("")));
    assert_eq!(read, sent);
}

#[test]
fn the_report_reads_what_a_put_back_set_aside() {
    let object = LostObject {
        resource: "configmaps".into(),
        namespace: "default".into(),
        name: "a".into(),
        change: Change::CameAndWent,
        key: "/registry/configmaps/default/a".into(),
    };
    let proof = PutBackProof {
        server_inode: 1,
        abandoned: "/server.belay".into(),
        digest: Digest::of(b"old"),
        revision: 1007,
        kept_revision: 5,
        abandoned_revision: Some(7),
        links: Vec::new(),
        carried: vec!["manifests/mine.yaml".into()],
        lost_complete: true,
        lost: vec![object],
        lost_unlisted: 2,
        uncounted: BTreeMap::from([("leases".into(), 4)]),
        took: Span::millis(3),
    };
    let sent = serde_json::to_value(&proof).unwrap();
    let read = serde_json::to_value(serde_json::from_value::<Lost>(sent.clone()).unwrap()).unwrap();
    let pairs = [
        ("abandoned", "abandoned"),
        ("complete", "lost-complete"),
        ("objects", "lost"),
        ("unlisted", "lost-unlisted"),
        ("uncounted", "uncounted"),
        ("carried", "carried"),
        ("revision", "revision"),
        ("kept-revision", "kept-revision"),
        ("abandoned-revision", "abandoned-revision"),
    ];
    for (told, name) in pairs {
        let (told, name): (Option<&Value>, Option<&Value>) = (read.get(told), sent.get(name));
        assert_eq!(told, name);
        assert!(told.is_some());
    }
}
