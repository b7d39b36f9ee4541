//! The form of etcd's log (`server/storage/wal`): frames of protobuf records, each with a running CRC32C.

use std::path::Path;

use super::le_u64;
use super::message;

pub(super) const METADATA: u64 = 1;
pub(super) const ENTRY: u64 = 2;
pub(super) const STATE: u64 = 3;
pub(super) const CRC: u64 = 4;
pub(super) const SNAPSHOT: u64 = 5;

/// The index of the first entry in a segment: `<sequence>-<index>.wal`, both in hexadecimal.
pub(super) fn first_entry(path: &Path) -> Option<u64> {
    if path.extension()? != "wal" {
        return None;
    }
    u64::from_str_radix(path.file_stem()?.to_str()?.split_once('-')?.1, 16).ok()
}

/// One record: its kind and its data.
pub(super) struct Record<'a> {
    pub kind: u64,
    pub data: &'a [u8],
}

/// The records of a segment up to its end, or to the first that was torn.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    crc: u32,
    whole: bool,
}

impl<'a> Records<'a> {
    pub(super) fn of(segment: &'a [u8]) -> Self {
        Self { rest: segment, crc: 0, whole: true }
    }

    /// Whether nothing but empty room followed the last record.
    pub(super) fn whole(&self) -> bool {
        self.whole
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let length = le_u64(self.rest, 0)?;
        // The top byte holds the padding to eight bytes, where its own top bit is set.
        let padding = if length >> 63 == 1 { length >> 56 & 0x7 } else { 0 };
        let length = usize::try_from(length & !(0xff << 56)).ok()?;
        let frame = self.rest.get(8..8_usize.checked_add(length)?)?;
        let after = 8_usize.checked_add(length)?.checked_add(usize::try_from(padding).ok()?)?;
        let record = Record { kind: message::number(frame, 1), data: message::bytes(frame, 3).unwrap_or_default() };
        let said = u32::try_from(message::number(frame, 2)).ok()?;
        if record.kind == CRC {
            self.crc = said;
        } else {
            self.crc = crc32c::crc32c_append(self.crc, record.data);
            if self.crc != said {
                return None;
            }
        }
        self.rest = self.rest.get(after..).unwrap_or_default();
        Some(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // Segments are made long and full of zeros.
        if self.rest.len() < 8 || le_u64(self.rest, 0) == Some(0) {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.whole = false;
            self.rest = &[];
        }
        record
    }
}

/// An entry of raft's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub index: u64,
    kind: u64,
    pub data: Vec<u8>,
}

impl Entry {
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
        (record.kind == ENTRY).then(|| Self {
            index: message::number(record.data, 3),
            kind: message::number(record.data, 1),
            data: message::bytes(record.data, 4).unwrap_or_default().to_vec(),
        })
    }

    /// A change of the store, not of the members.
    pub(super) fn is_request(&self) -> bool {
        self.kind == 0 && !self.data.is_empty()
    }
}

/// Cluster and member, as the first records of a segment name them.
pub(super) fn identity(segment: &[u8]) -> Option<(u64, u64)> {
    let metadata = Records::of(segment).take(4).find(|record| record.kind == METADATA)?;
    // etcd `server/etcdserver/etcdserverpb`, Metadata: NodeID, ClusterID.
    Some((message::number(metadata.data, 2), message::number(metadata.data, 1)))
}
