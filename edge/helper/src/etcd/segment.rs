use super::message::{written_bytes, written_number};
use super::wal::{CRC, ENTRY, METADATA, SNAPSHOT, STATE};

/// Index and term of the entry with which a cluster begins.
pub(super) const BEGINNING: u64 = 1;
/// etcd makes a segment this long ahead of its content (`wal.SegmentSizeBytes`).
pub(crate) const LENGTH: u64 = 64_000_000;
/// Of the first segment of a log.
pub(super) const FIRST: &str = "0000000000000000-0000000000000000.wal";

/// A segment of etcd's log being written: frames filled up to eight bytes, each with the CRC32C of all data so far
/// (`server/storage/wal/encoder.go`).
pub(super) struct Segment {
    bytes: Vec<u8>,
    crc: u32,
}

impl Segment {
    pub(super) fn first() -> Self {
        let mut segment = Self { bytes: Vec::new(), crc: 0 };
        segment.frame(&[written_number(1, CRC), written_number(2, 0)].concat());
        segment
    }

    /// The log of a member that has just begun a cluster of its own, as `raft.StartNode` and `wal.Create` leave it: the
    /// only entry, committed, is the member itself, in etcd's JSON.
    pub(super) fn of_new_cluster(cluster: u64, node: u64, member: &[u8]) -> Self {
        let mut segment = Self::first();
        segment.record(METADATA, &[written_number(1, node), written_number(2, cluster)].concat());
        segment.record(SNAPSHOT, &[written_number(1, 0), written_number(2, 0)].concat());
        // raftpb.ConfChange: no id, ConfChangeAddNode.
        let joins = [written_number(1, 0), written_number(2, 0), written_number(3, node), written_bytes(4, member)];
        // raftpb.Entry: EntryConfChange, term, index.
        let (kind, term, index) = (written_number(1, 1), written_number(2, BEGINNING), written_number(3, BEGINNING));
        segment.record(ENTRY, &[kind, term, index, written_bytes(4, &joins.concat())].concat());
        // raftpb.HardState: term, vote, commit.
        let (term, vote, commit) =
            (written_number(1, BEGINNING), written_number(2, node), written_number(3, BEGINNING));
        segment.record(STATE, &[term, vote, commit].concat());
        segment
    }

    pub(super) fn record(&mut self, kind: u64, data: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, data);
        let crc = written_number(2, self.crc.into());
        self.frame(&[written_number(1, kind), crc, written_bytes(3, data)].concat());
    }

    fn frame(&mut self, frame: &[u8]) {
        let padding = frame.len().next_multiple_of(8) - frame.len();
        let top = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        self.bytes.extend((frame.len() as u64 | top).to_le_bytes());
        self.bytes.extend_from_slice(frame);
        self.bytes.resize(self.bytes.len() + padding, 0);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by etcd 3.6.14: `wal.Create`, and `wal.Save` of what `raft.StartNode` gives; the zeros at its end cut off.
    const OF_ETCD: &str = "\
        040000000000008408041000000000001800000000000000080110b7a2d2ad081a0e08bc1510bcb5e2b3c5c684f8de01\
        0e00000000000082080510a9f58fd30b1a0408001000000057000000000000810802108fccd692051a4d080110011801\
        22450800100018bc15223c7b226964223a323734382c227065657255524c73223a5b2268747470733a2f2f31302e302e\
        302e313a32333830225d2c226e616d65223a226e30227d001100000000000087080310b3ebb88e051a07080110bc1518\
        0100000000000000\
        ";

    #[test]
    fn a_new_cluster_has_the_log_that_etcd_gives_it() {
        let json = br#"{"id":2748,"peerURLs":["https://10.0.0.1:2380"],"name":"n0"}"#;
        let made = Segment::of_new_cluster(0xdef0_1234_5678_9abc, 0xabc, json).into_bytes();
        let hex: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, OF_ETCD);
    }
}
