//! What the objects of the cluster are, read from its datastore: no request goes to the API for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use belay_facts::{CopyKind, DatastoreKind, Inventory, InventoryKind, InventorySource, NodeRole};
use belay_journal::{Lock, durable};
use belay_objects::Tally;
use belay_wire::Fault;

use crate::datastore::{Datastore, DatastoreError, save, stored_name};
use crate::fault::{Attempt as _, refused};
use crate::inspect::datastore_kind;
use crate::restorable::restorables;
use crate::{Installation, Now, Places, mutate, tree};

/// Seconds in which objects change little enough for what is asked of them.
const RECENT: u64 = 24 * 60 * 60;

/// Reads the latest copy of the last day; where there is none, or it has to be `fresh`, the datastore in use.
///
/// # Errors
/// When this node has no datastore of its own, or it cannot be read.
pub fn inventory(places: &Places, fresh: bool, within: Duration) -> Result<Inventory, Fault> {
    let found = Installation::find(places)?.filter(|found| found.role == NodeRole::Server);
    let found = found.ok_or_else(|| refused("no unit of this node runs a K3s server"))?;
    let kind = datastore_kind(&found);
    let now = Now::read(places).wall / 1000;
    if !fresh && let Some(source) = latest_copy(places, &found, kind, now) {
        // A copy that does not open is no reason to know nothing.
        let stored = Datastore::unproven(Path::new(&source.path), kind);
        if let Ok(inventory) = stored.and_then(|stored| read(&stored, source)) {
            return Ok(inventory);
        }
    }
    let what = || "the objects could not be read from the datastore in use";
    let source = |path: PathBuf| InventorySource {
        kind: InventoryKind::Online,
        path: path.to_string_lossy().into_owned(),
        taken_at_unix: now,
    };
    match kind {
        // SQLite gives whoever reads the state of one moment, also beside a K3s that writes: nothing need be copied.
        DatastoreKind::Sqlite => {
            let server = found.data_dir.join("server");
            let stored = Datastore::of_server(&server, kind).attempt(what)?;
            read(&stored, source(server.join("db/state.db"))).attempt(what)
        }
        // bbolt's pages are written anew under whoever reads them without its owner.
        DatastoreKind::Etcd => {
            let _lock = reading(places, within)?;
            let scratch = scratch(places);
            tree::remove_tree(&scratch)?;
            durable::create_dir(&scratch, 0o700).attempt(what)?;
            let copy = scratch.join("snapshot.db");
            let binary = found.unit.program().unwrap_or_default().to_owned();
            let read = save(kind, Path::new(&binary), &found.data_dir, "objects", &copy, within)
                .and_then(|()| Datastore::unproven(&copy, kind).attempt(what))
                .and_then(|stored| read(&stored, source(copy.clone())).attempt(what));
            tree::remove_tree(&scratch)?;
            read
        }
        DatastoreKind::External => Err(refused("an external datastore is not on this node")),
    }
}

/// Where a datastore in use is copied to for as long as it is read. Whoever is killed meanwhile leaves all of the cluster's secrets
/// there: the next reading removes it, and so does `prune`.
pub(crate) fn scratch(places: &Places) -> PathBuf {
    places.state.join("objects")
}

/// Held for as long as the scratch is in use: another reading waits, and `prune` leaves it alone.
pub(crate) fn reading(places: &Places, wait: Duration) -> Result<Lock, Fault> {
    mutate::lock(places, "objects.lock", wait, "is reading the objects of this node")
}

fn read(stored: &Datastore, source: InventorySource) -> Result<Inventory, DatastoreError> {
    let mut tally = Tally::default();
    stored.each_live(&mut |key, value| tally.add(key, value))?;
    Ok(tally.finish(source))
}

/// The latest proven backup or, of etcd, snapshot that K3s made by itself.
fn latest_copy(places: &Places, found: &Installation, kind: DatastoreKind, now: u64) -> Option<InventorySource> {
    let backups = restorables(places).into_iter().filter(|one| one.what == CopyKind::Backup && one.datastore == kind);
    let backups = backups.map(|one| InventorySource {
        kind: InventoryKind::Backup,
        path: Path::new(&one.path).join(stored_name(kind)).to_string_lossy().into_owned(),
        taken_at_unix: one.taken_at_unix,
    });
    let snapshots = if kind == DatastoreKind::Etcd { snapshots(found) } else { Vec::new() };
    let all = backups.chain(snapshots).filter(|one| one.taken_at_unix.saturating_add(RECENT) > now);
    all.max_by_key(|one| one.taken_at_unix)
}

/// Those that K3s' etcd has taken, and that are whole.
pub(crate) fn snapshots(found: &Installation) -> Vec<InventorySource> {
    let dir = found.config.last("etcd-snapshot-dir").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| found.data_dir.join("server/db/snapshots"));
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| {
        let path = entry.path();
        // K3s can be asked to compress them, and writes them under another name first.
        let whole = !path.extension().is_some_and(|end| end == "zip" || end == "part" || end == "tmp");
        let meta = entry.metadata().ok().filter(|meta| meta.is_file() && whole)?;
        let taken_at_unix = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let path = path.to_string_lossy().into_owned();
        Some(InventorySource { kind: InventoryKind::Snapshot, path, taken_at_unix })
    };
    entries.filter_map(of).collect()
}
