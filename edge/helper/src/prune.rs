//! `prune`: what earlier runs left on this node, and its removal. Nothing of an open run, never the last good backup
//! (invariant I8), nothing that a process runs from.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belay_facts::{Mutant, mutated};
use belay_journal::durable;
use belay_wire::{Fault, Leftover, LeftoverKind};

use crate::fault::{Attempt as _, refused};
use crate::keep::partial;
use crate::links::data_links;
use crate::mutate::node_lock;
use crate::node_run::{NodeRun, all_runs};
use crate::prove::RECEIPT;
use crate::serve::Channel;
use crate::step::inode;
use crate::tree::remove_tree;
use crate::{Places, inspect};

/// How long a helper that is still at work may need.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Everything that may be removed, oldest run first.
pub(crate) fn leftovers(places: &Places) -> Result<Vec<Leftover>, Fault> {
    let runs = all_runs(places);
    if let Some(open) = runs.iter().find(|run| run.is_open()) {
        let why =
            format!("run {} has not ended on this node ({}): what lies here may lead it back", open.id, open.last);
        let hint = format!("`belay resume {0}` goes on with it, `belay rollback {0}` goes back; then prune", open.id);
        return Err(Fault { hint: Some(hint), ..refused(why) });
    }
    let mut found = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    let last_good = last_good_backup(places, &runs);
    for run in &runs {
        let mut add = |path: PathBuf, what| {
            if inode(&path).is_some() && !seen.contains(&path) {
                seen.push(path.clone());
                let bytes = inspect::size_of(&path);
                let path = path.to_string_lossy().into_owned();
                found.push(Leftover { path, what, run: run.id.clone(), bytes });
            }
        };
        let backup = places.backup_dir(&run.id);
        if mutated(Mutant::DeleteLastBackup) || last_good.as_deref() != Some(run.id.as_str()) {
            add(backup.clone(), LeftoverKind::Backup);
        }
        add(backup.with_file_name(format!("{}.partial", run.id)), LeftoverKind::Partial);
        let Some(target) = &run.target else { continue };
        let (binary, data_dir) = (Path::new(&target.binary), Path::new(&target.data_dir));
        add(binary.with_file_name(format!(".k3s.belay-{}", run.id)), LeftoverKind::Slot);
        let server = data_dir.join("server");
        let server = fs::canonicalize(&server).unwrap_or(server);
        let keep = server.with_file_name(format!("server.belay-{}", run.id));
        // After an exchange the copy is live, and what lies beside it was abandoned. Live it is never both.
        if inode(&keep) != inode(&server) {
            let abandoned = run.put_back.is_some();
            add(keep.clone(), if abandoned { LeftoverKind::Abandoned } else { LeftoverKind::Kept });
        }
        let rebuilt = server.with_file_name(format!("server.belay-{}.restore", run.id));
        if inode(&rebuilt) != inode(&server) {
            add(rebuilt.clone(), LeftoverKind::Partial);
        }
        add(partial(&rebuilt), LeftoverKind::Partial);
        add(partial(&keep), LeftoverKind::Partial);
        add(data_dir.join(format!(".belay-extract-{}", run.id)), LeftoverKind::Partial);
        add(data_dir.join(format!(".belay-reserve-{}", run.id)), LeftoverKind::Partial);
        add(data_dir.join(format!(".belay-start-reserve-{}", run.id)), LeftoverKind::Partial);
        for path in unused_data(places, run, data_dir) {
            add(path, LeftoverKind::Extracted);
        }
    }
    let scratch = crate::inventory::scratch(places);
    if scratch.exists() && crate::inventory::reading(places, Duration::ZERO).is_ok() {
        let (path, bytes) = (scratch.to_string_lossy().into_owned(), inspect::size_of(&scratch));
        found.push(Leftover { path, what: LeftoverKind::Partial, run: "check --objects".to_owned(), bytes });
    }
    Ok(found)
}

/// Removes those of the given paths that may be removed now, each durably, and says which.
pub(crate) fn prune(places: &Places, paths: &[String], channel: &mut dyn Channel) -> Result<Vec<Leftover>, Fault> {
    let _lock = node_lock(places, LOCK_WAIT)?;
    // Asked again under the lock: a run may have begun since the list was shown.
    let mut chosen = leftovers(places)?;
    chosen.retain(|leftover| paths.contains(&leftover.path));
    let total = chosen.len() as u64;
    for (done, leftover) in (0..).zip(&chosen) {
        channel.progress(&format!("removing {}", leftover.path), done, total);
        let path = Path::new(&leftover.path);
        if path.is_dir() {
            remove_tree(path)?;
        } else {
            durable::remove(path).attempt(|| format!("{} could not be removed", path.display()))?;
        }
        durable::sync_parent(path).attempt(|| format!("the removal of {} may not last", path.display()))?;
    }
    Ok(chosen)
}

/// The newest run whose backup still has its receipt. By the time in the receipt, since the four digits that end the name
/// of a run have no order.
fn last_good_backup(places: &Places, runs: &[NodeRun]) -> Option<String> {
    let proven = runs.iter().filter_map(|run| Some((run.proven.as_ref()?.taken_at_unix, run.id.clone())));
    proven.filter(|(_, id)| places.backup_dir(id).join(RECEIPT).is_file()).max().map(|(_, id)| id)
}

/// Extracted data of this run's versions that no link names. A container shim outlives the K3s that started it and calls
/// `runc` beside itself, so what any process runs from stays.
fn unused_data(places: &Places, run: &NodeRun, data_dir: &Path) -> Vec<PathBuf> {
    let linked: Vec<PathBuf> = data_links(data_dir).into_iter().map(|link| data_dir.join(link.target)).collect();
    let hash = |path: &Path| {
        let below = path.strip_prefix(data_dir.join("data")).ok()?;
        below.components().next().map(|first| data_dir.join("data").join(first))
    };
    let staged = run.staged.iter().map(|staged| data_dir.join("data").join(&staged.data_hash));
    let before = run.links_before.iter().filter_map(|link| hash(&data_dir.join(&link.target)));
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 64) && path.is_dir();
    let used = |path: &PathBuf| linked.iter().any(|link| link.starts_with(path)) || runs_from(places, path);
    let mut unused: Vec<PathBuf> = staged.chain(before).filter(named).filter(|path| !used(path)).collect();
    unused.sort_unstable();
    unused.dedup();
    unused
}

/// Whether any process runs a file below `dir`. One that cannot be looked at counts as one that does.
fn runs_from(places: &Places, dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(&places.proc) else { return true };
    let pids = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    pids.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok()).any(|exe| exe.starts_with(dir))
}
