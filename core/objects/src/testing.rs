//! Objects made by hand, byte by byte, for tests.

/// A field with a number.
pub(crate) fn number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = varint(u64::from(field) << 3);
    bytes.extend(varint(value));
    bytes
}

/// A field with bytes, a text or a message.
pub(crate) fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut bytes = varint(u64::from(field) << 3 | 2);
    bytes.extend(varint(value.len() as u64));
    bytes.extend_from_slice(value);
    bytes
}

/// An entry of a map.
pub(crate) fn entry(field: u8, key: &str, value: &str) -> Vec<u8> {
    bytes(field, [bytes(1, key), bytes(2, value)].concat())
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Metadata of `namespace/name` with more fields behind.
pub(crate) fn meta(namespace: &str, name: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let own = [bytes(1, name), bytes(3, namespace), bytes(5, "0b8a0a6e-55b5-4f0c-8a26-7d9f1c1f6c10"), number(7, 1)];
    bytes(1, [own.concat(), more.concat()].concat())
}

/// An object as the apiserver writes it: magic, envelope, content.
pub(crate) fn stored(api_version: &str, kind: &str, content: &[Vec<u8>]) -> Vec<u8> {
    let kind = [bytes(1, api_version), bytes(2, kind)].concat();
    [b"k8s\0".to_vec(), bytes(1, kind), bytes(2, content.concat()), bytes(3, ""), bytes(4, "")].concat()
}

/// A release of Helm with this manifest, as Helm keeps it: JSON in gzip in base64.
pub(crate) fn record(manifest: &str) -> Vec<u8> {
    use base64::Engine as _;
    let manifest = manifest.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let json = format!(
        "{{\"name\":\"web\",\"info\":{{\"status\":\"deployed\"}},\"config\":{{\"password\":\"canary-value\"}},\"manifest\":\"{manifest}\",\"version\":3}}"
    );
    let packed = miniz_oxide::deflate::compress_to_vec(json.as_bytes(), 9);
    let length = (json.len() as u32).to_le_bytes();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], &packed[..], &[0; 4], &length].concat();
    base64::engine::general_purpose::STANDARD.encode(gzip).into_bytes()
}
