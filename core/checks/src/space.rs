use std::collections::BTreeMap;

use belay_facts::{DatastoreKind, NodeFacts};
use serde::Serialize;

const MIB: u64 = 1 << 20;

/// What one version extracts to under `data/<hash>` (k3s-facts §9: about 290 MB).
const EXTRACTED: u64 = 300 * MIB;

/// What `server/` holds besides the datastore: tls, cred, manifests, charts.
const SERVER_FILES: u64 = 16 * MIB;

/// What `fence` reserves for etcd's own start beside a copy of its database: two segments of its log (edge/helper, `fence`).
const ETCD_START: u64 = 128_000_000;

/// Bytes that a run needs on the file systems of a node, by role, 20 % included. Roles that share a device share their
/// needs: each then shows the sum.
///
/// - `binary`: the staged binary beside the installed one; the installed one's size stands for the new one's.
/// - `data`: the extracted release, the kept copy of `server/`, and once more the datastore, because kine rewrites it
///   at the first start of a release from 2026-03 on (VACUUM, k3s-facts §2.7); over etcd what its start on the way back needs.
/// - `state`: the backup: `server/` and the old binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Space(pub BTreeMap<String, u64>);

impl Space {
    /// `None` when a size that it depends on could not be read.
    #[must_use]
    pub fn needed_on(node: &NodeFacts) -> Option<Self> {
        let binary = node.binary.as_ref()?.size;
        let datastore = node.datastore.as_ref()?;
        let server = datastore.size.saturating_add(SERVER_FILES);
        let start = match datastore.kind {
            DatastoreKind::Etcd => datastore.size.saturating_add(ETCD_START),
            DatastoreKind::Sqlite | DatastoreKind::External => 0,
        };
        let parts = [
            ("binary", binary),
            ("data", EXTRACTED.saturating_add(server.saturating_mul(2)).saturating_add(start)),
            ("state", server.saturating_add(binary)),
        ];
        let device = |role: &str| node.disks.get(role).map(|disk| disk.device);
        let sum = |role: &str| {
            let here = device(role)?;
            let together = parts.iter().filter(|(other, _)| device(other) == Some(here)).map(|(_, bytes)| *bytes);
            let bytes = together.fold(0_u64, u64::saturating_add);
            Some((role.to_owned(), bytes.saturating_add(bytes / 5)))
        };
        Some(Self(parts.iter().filter_map(|(role, _)| sum(role)).collect()))
    }
}
