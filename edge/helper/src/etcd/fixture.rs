//! Databases and logs in etcd's form, made for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::bolt::META;
use super::message::{written_bytes as text, written_number as number};
use super::page::{Leaf, PAGE_HEADER, Page};
use super::segment::Segment;
use super::sole_member::NAME;
use super::store::{DATABASE, LOG};
use super::wal::{ENTRY, METADATA};

pub(super) const PAGE: usize = 4096;
/// Whose files they are.
pub(crate) const MEMBER: u64 = 0xabc;
pub(crate) const CLUSTER: u64 = 0xdef;

/// etcd's files to be written: the history of keys, and what is only in the log.
#[derive(Clone, Default)]
pub(crate) struct Etcd {
    records: Vec<(Vec<u8>, Vec<u8>)>,
    versions: BTreeMap<String, u64>,
    revision: u64,
    pub requests: Vec<Vec<u8>>,
    pub meta: BTreeMap<&'static str, Vec<u8>>,
    pub members: usize,
    pub alarm: bool,
}

fn place(revision: u64, sub: u64, deleted: bool) -> Vec<u8> {
    let mut key = [revision.to_be_bytes().as_slice(), b"_", &sub.to_be_bytes()].concat();
    if deleted {
        key.push(b't');
    }
    key
}

impl Etcd {
    pub(crate) fn new() -> Self {
        let mut etcd = Self { revision: 1, members: 1, ..Self::default() };
        etcd.meta.insert("consistent_index", 5_u64.to_be_bytes().to_vec());
        etcd.meta.insert("storageVersion", b"3.6.0".to_vec());
        etcd.put("compact_rev_key", "0");
        etcd
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) -> u64 {
        self.revision += 1;
        let version = self.versions.entry(key.to_owned()).or_default();
        *version += 1;
        let record =
            [text(1, key.as_bytes()), number(3, self.revision), number(4, *version), text(5, value.as_bytes())];
        self.records.push((place(self.revision, 0, false), record.concat()));
        self.revision
    }

    pub(crate) fn delete(&mut self, key: &str) -> u64 {
        self.revision += 1;
        self.versions.remove(key);
        self.records.push((place(self.revision, 0, true), text(1, key.as_bytes())));
        self.revision
    }

    /// A put that is only in the log.
    pub(crate) fn log_put(&mut self, key: &str, value: &str) {
        let put = [text(1, key.as_bytes()), text(2, value.as_bytes())].concat();
        self.requests.push([number(1, 7), text(4, &put)].concat());
    }

    /// A deletion as Kubernetes does it: if the key is at `revision`, delete it, else read it.
    pub(crate) fn log_delete_at(&mut self, key: &str, revision: u64) {
        let compare = [number(2, 2), text(3, key.as_bytes()), number(6, revision)].concat();
        let operation = text(3, &text(1, key.as_bytes()));
        let read = text(1, &text(1, key.as_bytes()));
        self.requests.push(text(6, &[text(1, &compare), text(2, &operation), text(3, &read)].concat()));
    }

    pub(crate) fn log(&mut self, request: Vec<u8>) {
        self.requests.push(request);
    }

    /// Writes database and log below `server`.
    pub(crate) fn write(&self, server: &Path) {
        for path in [DATABASE, LOG] {
            fs::create_dir_all(server.join(path).parent().unwrap()).unwrap();
        }
        fs::create_dir_all(server.join(LOG)).unwrap();
        fs::write(server.join(DATABASE), self.database(PAGE)).unwrap();
        fs::write(server.join(NAME), "n0").unwrap();
        fs::write(server.join(LOG).join("0000000000000000-0000000000000000.wal"), self.segment()).unwrap();
    }

    pub(crate) fn segment(&self) -> Vec<u8> {
        let mut log = Segment::first();
        log.record(METADATA, &[number(1, MEMBER), number(2, CLUSTER)].concat());
        let entry = |index: u64, data: &[u8]| [number(1, 0), number(2, 2), number(3, index), text(4, data)].concat();
        for index in 1..=5 {
            log.record(ENTRY, &entry(index, &text(4, &[text(1, b"old"), text(2, b"x")].concat())));
        }
        // An entry that another leader never got through is replaced by a later one.
        log.record(ENTRY, &entry(6, &text(4, &text(1, b"/registry/configmaps/default/never"))));
        for (index, request) in self.requests.iter().enumerate() {
            log.record(ENTRY, &entry(6 + index as u64, request));
        }
        if self.requests.is_empty() {
            log.record(ENTRY, &entry(6, b""));
        }
        let mut bytes = log.into_bytes();
        bytes.extend([0; 4096]);
        bytes
    }

    pub(crate) fn database(&self, page: usize) -> Vec<u8> {
        let mut pages: Vec<Vec<u8>> = vec![Vec::new(), Vec::new()];
        let mut add = |mut bytes: Vec<u8>| {
            let id = pages.len() as u64;
            let count = bytes.len().div_ceil(page);
            bytes.resize(count * page, 0);
            bytes[..8].copy_from_slice(&id.to_le_bytes());
            bytes[12..16].copy_from_slice(&(count as u32 - 1).to_le_bytes());
            pages.push(bytes);
            pages.extend(vec![Vec::new(); count - 1]);
            id
        };
        let leaf = |key: &[u8], value: Vec<u8>| Leaf { key: key.to_vec(), value, is_bucket: false };
        let records: Vec<Leaf> = self.records.iter().map(|(key, value)| leaf(key, value.clone())).collect();
        let children: Vec<(Vec<u8>, u64)> =
            records.chunks(7).map(|leaves| (leaves[0].key.clone(), add(Page::of_leaves(leaves).unwrap()))).collect();
        let mut branch = Page::header(0, 1, children.len() as u16, 0);
        let mut data = Vec::new();
        for (index, (key, child)) in children.iter().enumerate() {
            branch.extend(((children.len() - index) as u32 * 16 + data.len() as u32).to_le_bytes());
            branch.extend((key.len() as u32).to_le_bytes());
            branch.extend(child.to_le_bytes());
            data.extend(key.clone());
        }
        branch.extend(data);
        let keys = add(branch);
        let header = |root: u64| [root.to_le_bytes(), [0; 8]].concat();
        let inline = |leaves: &[Leaf]| [header(0), Page::of_leaves(leaves).unwrap()].concat();
        let bucket = |key: &str, value: Vec<u8>| Leaf { key: key.into(), value, is_bucket: true };
        let members: Vec<Leaf> = (0..self.members as u64)
            .map(|n| (MEMBER + n, n))
            .map(|(id, n)| leaf(format!("{id:x}").as_bytes(), format!(r#"{{"id":{id},"name":"n{n}"}}"#).into_bytes()))
            .collect();
        let alarms =
            if self.alarm { vec![leaf(&[number(1, 7), number(2, 1)].concat(), Vec::new())] } else { Vec::new() };
        let meta: Vec<Leaf> = self.meta.iter().map(|(key, value)| leaf(key.as_bytes(), value.clone())).collect();
        let root = add(Page::of_leaves(&[
            bucket("alarm", inline(&alarms)),
            bucket("cluster", inline(&[leaf(b"clusterVersion", b"3.6.0".to_vec())])),
            bucket("key", header(keys)),
            bucket("members", inline(&members)),
            bucket("meta", inline(&meta)),
        ])
        .unwrap());
        let count = pages.len() as u64;
        let mut bytes: Vec<u8> = pages.concat();
        // Behind two pages for the roots; etcd makes files longer than they need to be.
        bytes.splice(0..0, vec![0; 2 * page]);
        bytes.extend(vec![0; page]);
        for txid in [6, 7] {
            let meta = super::bolt::Meta { page_size: page as u64, root, sequence: 0, pages: count, txid };
            let at = (txid % 2) as usize * page;
            bytes[at..at + PAGE_HEADER + META].copy_from_slice(&meta.encode());
        }
        bytes
    }
}

/// A snapshot of `server`, as `etcdutl` would accept it.
pub(crate) fn snapshot(server: &Path) -> Vec<u8> {
    use sha2::Digest as _;
    let mut bytes = fs::read(server.join(DATABASE)).unwrap();
    let hash = sha2::Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}
