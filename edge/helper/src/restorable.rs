//! The earlier states of the server that are still here: stopped copies of runs that committed, and proven backups.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belay_facts::{CopyKind, DatastoreKind};
use belay_journal::durable;
use belay_wire::{Difference, Fault, NodeTarget, Restorable};

use crate::datastore::{Datastore, save_online, stored_name};
use crate::fault::{Attempt as _, refused};
use crate::lost::{Lost, Since, compare};
use crate::node_run::{NodeRun, all_runs};
use crate::prove::RECEIPT;
use crate::put_back::LISTED;
use crate::step::inode;
use crate::{Places, tree};

/// All of them, oldest first.
pub(crate) fn restorables(places: &Places) -> Vec<Restorable> {
    let runs = all_runs(places);
    let mut found: Vec<Restorable> = runs.iter().flat_map(|run| [backup(places, run), kept(run)]).flatten().collect();
    found.sort_unstable_by(|a, b| (a.taken_at_unix, a.what, &a.run).cmp(&(b.taken_at_unix, b.what, &b.run)));
    found
}

/// The one that `run` left, with what that run knew of the node.
pub(crate) fn find(places: &Places, what: CopyKind, run: &str) -> Result<(Restorable, NodeRun), Fault> {
    let runs = all_runs(places);
    let known = runs.into_iter().find(|known| known.id == run);
    let found = known.and_then(|run| {
        let one = match what {
            CopyKind::Kept => kept(&run),
            CopyKind::Backup => backup(places, &run),
        };
        Some((one?, run))
    });
    found.ok_or_else(|| match what {
        CopyKind::Kept => refused(format!(
            "the stopped copy or the binary that run {run} kept is not here any more: the next run that commits and \
             `belay prune` remove them"
        )),
        CopyKind::Backup => refused(format!("there is no proven backup of run {run} here")),
    })
}

/// The stopped copy of a run that committed, with the binary that it exchanged.
fn kept(run: &NodeRun) -> Option<Restorable> {
    let (target, kept) = (run.target.as_ref()?, run.kept.as_ref()?);
    let committed = run.ended.as_deref() == Some("committed") && run.put_back.is_none();
    let binary = Path::new(&target.binary).with_file_name(format!(".k3s.belay-{}", run.id));
    if !committed || inode(Path::new(&kept.path)) != Some(kept.keep_inode) {
        return None;
    }
    Some(Restorable {
        what: CopyKind::Kept,
        run: run.id.clone(),
        version: target.old_version.clone(),
        datastore: target.datastore,
        taken_at_unix: run.kept_at / 1000,
        revision: kept.revision,
        path: kept.path.clone(),
        binary_size: fs::metadata(&binary).ok()?.len(),
        binary: binary.to_string_lossy().into_owned(),
        binary_digest: target.old,
    })
}

fn backup(places: &Places, run: &NodeRun) -> Option<Restorable> {
    let (target, receipt) = (run.target.as_ref()?, run.proven.as_ref()?);
    let path = places.backup_dir(&run.id);
    let binary = stored(&path, Path::new(&target.binary));
    if !path.join(RECEIPT).is_file() {
        return None;
    }
    Some(Restorable {
        what: CopyKind::Backup,
        run: run.id.clone(),
        version: target.old_version.clone(),
        datastore: receipt.kind,
        taken_at_unix: receipt.taken_at_unix,
        revision: receipt.revision,
        binary_size: fs::metadata(&binary).ok()?.len(),
        binary: binary.to_string_lossy().into_owned(),
        path: path.to_string_lossy().into_owned(),
        binary_digest: target.old,
    })
}

/// Where a backup has the file that lay at `path`.
pub(crate) fn stored(backup: &Path, path: &Path) -> PathBuf {
    backup.join("files").join(path.strip_prefix("/").unwrap_or(path))
}

/// What was written since, as the live datastore tells it now. Nothing is changed; of etcd a snapshot is taken for it and
/// removed again.
pub(crate) fn difference(places: &Places, what: CopyKind, run: &str, within: Duration) -> Result<Difference, Fault> {
    let (earlier, run) = find(places, what, run)?;
    let target = run.target.as_ref().ok_or_else(|| refused("that run acted on no node"))?;
    let then = match what {
        CopyKind::Kept => Datastore::of_server(Path::new(&earlier.path), earlier.datastore),
        CopyKind::Backup => {
            Datastore::stored(&Path::new(&earlier.path).join(stored_name(earlier.datastore)), earlier.datastore)
        }
    };
    let then = then.attempt(|| format!("the datastore in {} could not be read", earlier.path))?;
    let scratch = places.state.join("difference");
    let what = || "the present datastore could not be read";
    let compared = present(target, &scratch, within)
        .and_then(|now| compare(&then, Since::forked(earlier.revision), &now).attempt(what));
    tree::remove_tree(&scratch)?;
    let Lost { complete, mut objects, uncounted } = compared?;
    let unlisted = objects.len().saturating_sub(LISTED) as u64;
    objects.truncate(LISTED);
    Ok(Difference { complete, objects, unlisted, uncounted })
}

fn present(target: &NodeTarget, scratch: &Path, within: Duration) -> Result<Datastore, Fault> {
    let what = || "the present datastore could not be read";
    let server = Path::new(&target.data_dir).join("server");
    match target.datastore {
        DatastoreKind::Sqlite | DatastoreKind::External => {
            Datastore::of_server(&server, target.datastore).attempt(what)
        }
        DatastoreKind::Etcd => {
            tree::remove_tree(scratch)?;
            durable::create_dir(scratch, 0o700).attempt(what)?;
            let copy = scratch.join("snapshot.db");
            save_online(target, "difference", &copy, within)?;
            Datastore::stored(&copy, target.datastore).attempt(what)
        }
    }
}
