//! The objects of a big cluster: kinds in the shares that big clusters have, each as long as such objects are, with labels,
//! owners and what managers leave; custom objects in JSON, all else in protobuf.

use std::error::Error;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::bbolt::Writer;

/// Of a hundred objects.
const SHARES: [(u64, Kind); 8] = [
    (38, Kind::Pod),
    (14, Kind::Secret),
    (12, Kind::ConfigMap),
    (10, Kind::Workload("ReplicaSet", "replicasets")),
    (6, Kind::Workload("Deployment", "deployments")),
    (8, Kind::Slice),
    (6, Kind::Event),
    (6, Kind::Custom),
];

#[derive(Clone, Copy)]
enum Kind {
    Pod,
    Secret,
    ConfigMap,
    Workload(&'static str, &'static str),
    Slice,
    Event,
    Custom,
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(&mut bytes, field << 3);
    varint(&mut bytes, value);
    bytes
}

fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let (mut bytes, value) = (Vec::new(), value.as_ref());
    varint(&mut bytes, field << 3 | 2);
    varint(&mut bytes, value.len() as u64);
    bytes.extend_from_slice(value);
    bytes
}

fn entry(field: u64, key: &str, value: &str) -> Vec<u8> {
    bytes(field, [bytes(1, key), bytes(2, value)].concat())
}

fn manager(name: &str, api_version: &str, fields: usize) -> Vec<u8> {
    let raw = format!("{{\"f:spec\":{{{}}}}}", "\"f:replicas\":{},".repeat(fields));
    let parts = [
        bytes(1, name),
        bytes(2, "Update"),
        bytes(3, api_version),
        bytes(4, number(1, 1_795_000_000)),
        bytes(6, "FieldsV1"),
        bytes(7, bytes(1, raw)),
    ];
    bytes(17, parts.concat())
}

fn meta(namespace: &str, name: &str, api_version: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let parts = [
        bytes(1, name),
        bytes(2, ""),
        bytes(3, namespace),
        bytes(4, ""),
        bytes(5, "0b8a0a6e-55b5-4f0c-8a26-7d9f1c1f6c10"),
        bytes(6, ""),
        number(7, 1),
        bytes(8, number(1, 1_795_000_000)),
        entry(11, "app.kubernetes.io/name", name),
        entry(11, "app.kubernetes.io/part-of", "shop"),
        entry(12, "example.com/checksum", &"0123456789abcdef".repeat(4)),
        more.concat(),
        manager("kube-controller-manager", api_version, 24),
        manager("kubelet", api_version, 12),
    ];
    bytes(1, parts.concat())
}

fn stored(api_version: &str, kind: &str, content: &[Vec<u8>]) -> Vec<u8> {
    let envelope = [
        bytes(1, [bytes(1, api_version), bytes(2, kind)].concat()),
        bytes(2, content.concat()),
        bytes(3, ""),
        bytes(4, ""),
    ];
    [b"k8s\0".to_vec(), envelope.concat()].concat()
}

fn filler(length: u64) -> String {
    "c29tZSBjb250ZW50IHRoYXQgbm9ib2R5IHJlYWRz".chars().cycle().take(usize::try_from(length).unwrap_or(0)).collect()
}

/// Key and value of the object of that number.
fn object(which: u64) -> (String, Vec<u8>) {
    let (mut share, mut kind) = (which * 61 % 100, Kind::Pod);
    for (part, of) in SHARES {
        kind = of;
        if share < part {
            break;
        }
        share -= part;
    }
    let (namespace, name) = (format!("team-{:03}", which % 300), format!("service-{which:06}"));
    let length = which * 7919 % 1200;
    let owner = |kind: &str| bytes(13, [bytes(1, kind), bytes(3, &name), bytes(4, "u"), number(6, 1)].concat());
    let applied = |version: &str, kind: &str| {
        let text =
            format!("{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\",\"spec\":\"{}\"}}\n", filler(length / 2));
        entry(12, "kubectl.kubernetes.io/last-applied-configuration", &text)
    };
    match kind {
        Kind::Pod => {
            let mount = |source: Vec<u8>| bytes(1, [bytes(1, "v"), bytes(2, source)].concat());
            let container =
                bytes(2, [bytes(1, "app"), bytes(2, "example.com/app:1"), bytes(3, filler(length))].concat());
            let spec = [
                mount(bytes(26, filler(120))),
                mount(bytes(19, bytes(1, bytes(1, "config")))),
                container,
                bytes(10, format!("n{}", which % 50)),
            ];
            let status = [bytes(1, "Running"), bytes(2, filler(300)), bytes(6, "10.42.0.7"), bytes(8, filler(400))];
            let meta = meta(&namespace, &name, "v1", &[owner("ReplicaSet")]);
            let content = [meta, bytes(2, spec.concat()), bytes(3, status.concat())];
            (format!("/registry/pods/{namespace}/{name}"), stored("v1", "Pod", &content))
        }
        Kind::Secret | Kind::ConfigMap => {
            let (kind, resource) =
                if matches!(kind, Kind::Secret) { ("Secret", "secrets") } else { ("ConfigMap", "configmaps") };
            let content = [meta(&namespace, &name, "v1", &[applied("v1", kind)]), entry(2, "data", &filler(length))];
            (format!("/registry/{resource}/{namespace}/{name}"), stored("v1", kind, &content))
        }
        Kind::Workload(kind, resource) => {
            let spec = [number(1, 2), bytes(2, entry(1, "app", &name)), bytes(3, bytes(2, filler(700 + length)))];
            let meta = meta(&namespace, &name, "apps/v1", &[applied("apps/v1", kind)]);
            (
                format!("/registry/{resource}/{namespace}/{name}"),
                stored("apps/v1", kind, &[meta, bytes(2, spec.concat())]),
            )
        }
        Kind::Slice => {
            let endpoint =
                [bytes(1, "10.42.0.7"), bytes(2, number(1, 1)), bytes(6, format!("n{}", which % 50))].concat();
            let label = entry(11, "kubernetes.io/service-name", &name);
            let meta = meta(&namespace, &name, "discovery.k8s.io/v1", &[label, owner("Service")]);
            let content = [meta, bytes(2, &endpoint), bytes(2, &endpoint), bytes(4, "IPv4")];
            (
                format!("/registry/endpointslices/{namespace}/{name}"),
                stored("discovery.k8s.io/v1", "EndpointSlice", &content),
            )
        }
        Kind::Event => {
            let content = [meta(&namespace, &name, "v1", &[]), bytes(3, "Pulled"), bytes(4, filler(200))];
            (format!("/registry/events/{namespace}/{name}"), stored("v1", "Event", &content))
        }
        Kind::Custom => {
            let fields: serde_json::Map<String, serde_json::Value> =
                (0..30).map(|number| (format!("f:field{number}"), json!({}))).collect();
            let managed = json!([{"apiVersion": "example.com/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields},
                "manager": "operator", "operation": "Update", "time": "2026-11-23T17:13:08Z"}]);
            let value = json!({"apiVersion": "example.com/v1", "kind": "Widget",
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}, "managedFields": managed},
                "spec": {"size": 3, "text": filler(length)}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
            (format!("/registry/example.com/widgets/{namespace}/{name}"), value.to_string().into_bytes())
        }
    }
}

/// Writes `state.db` and `snapshot.db` into `dir`. Every tenth object has an older revision before it, as between two
/// compactions; half of kine's rows carry what was there before, as it keeps it.
pub fn make(dir: &Path, objects: u64) -> Result<bool, Box<dyn Error>> {
    let mut etcd = Writer::create(&dir.join("snapshot.db"))?;
    let mut kine = Connection::open(dir.join("state.db"))?;
    // kine `pkg/drivers/sqlite`.
    kine.execute_batch(
        "CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
            create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
         CREATE INDEX kine_name_index ON kine (name);
         CREATE INDEX kine_name_id_index ON kine (name, id);
         CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);",
    )?;
    let transaction = kine.transaction()?;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
             VALUES (?1, 1, 0, 0, ?2, 0, ?3, ?4)",
        )?;
        let mut revision = 1_u64;
        let mut put = |key: &str, value: &[u8], old: Option<&[u8]>| -> Result<(), Box<dyn Error>> {
            revision += 1;
            let place = [revision.to_be_bytes().as_slice(), b"_", &0_u64.to_be_bytes()].concat();
            let record = [bytes(1, key), number(2, revision), number(3, revision), number(4, 1), bytes(5, value)];
            etcd.put(place, record.concat())?;
            insert.execute((key, i64::try_from(revision)?, value, old))?;
            Ok(())
        };
        for which in (0..objects).filter(|which| which % 10 == 0) {
            let (key, value) = object(which);
            put(&key, &value, None)?;
        }
        for which in 0..objects {
            let (key, value) = object(which);
            put(&key, &value, (which % 2 == 0).then_some(value.as_slice()))?;
        }
    }
    transaction.commit()?;
    etcd.finish()?;
    Ok(true)
}
