//! A value of the datastore that may be anything: it is told or refused, counted once, and nothing of it is in the inventory
//! but names. The first byte says in which envelope the others are put, so that the fuzzer gets to every kind.
#![no_main]

use belay_facts::{InventoryKind, InventorySource, Sample};
use belay_objects::{Object, Tally};
use libfuzzer_sys::fuzz_target;

const KINDS: [(&str, &str); 14] = [
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "Node"),
    ("v1", "PersistentVolume"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("policy/v1", "PodDisruptionBudget"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("example.com/v1beta1", "Widget"),
    ("upgrade.cattle.io/v1", "Plan"),
];

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![number << 3 | 2], value.len());
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(value);
    bytes
}

fn enveloped(data: &[u8]) -> Vec<u8> {
    let Some((which, rest)) = data.split_first() else { return Vec::new() };
    let Some((api_version, kind)) = KINDS.get(usize::from(*which) % 32 % (KINDS.len() + 1)) else {
        return rest.to_vec();
    };
    if which & 0x80 != 0 {
        let head = format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",");
        return [head.as_bytes(), rest].concat();
    }
    let kind = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &kind), field(2, rest)].concat()
}

fuzz_target!(|data: &[u8]| {
    let value = enveloped(data);
    let decoded = Object::decode(&value);
    let mut tally = Tally::default();
    tally.add(b"/registry/x/default/x", &value);
    let source = InventorySource { kind: InventoryKind::Backup, path: String::new(), taken_at_unix: 0 };
    let inventory = tally.finish(source);
    assert_eq!(inventory.objects, u64::from(decoded.is_ok()));
    assert_eq!(inventory.objects + inventory.encrypted + inventory.undecoded, 1);
    assert!(inventory.bare_pods.first.len() <= Sample::<String>::KEPT);
    let json = serde_json::to_string(&inventory).expect("an inventory has a JSON form");
    let read: belay_facts::Inventory = serde_json::from_str(&json).expect("it is read again");
    assert_eq!(read, inventory);
    // What is told grows with what was there, and not faster: names of fields, escapes and a name for each part.
    assert!(json.len() <= 8192 + 4096 * value.len());
});
