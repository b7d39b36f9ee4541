//! `rebuild`: makes a `server` directory of an earlier state beside the live one, while K3s still runs.

use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::CopyKind;
use belay_journal::durable;
use belay_wire::{Fault, Op, RebuildProof, Reply};

use crate::datastore::{Datastore, make, refuse_foreign, stored_name};
use crate::fault::{Attempt as _, failed, refused};
use crate::keep::{is_put_aside, never_written_again, partial};
use crate::mark::{is_marked, mark};
use crate::node_run::{Before, NodeRun, Proof};
use crate::prove::prove;
use crate::restorable::{find, stored};
use crate::step::{Effect, Found, Step, inode};
use crate::tree::{TreeCopy, copy_attributes, copy_file, remove_tree};
use crate::{Installation, token};

pub(crate) struct Rebuild;

impl Effect for Rebuild {
    type Proof = RebuildProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<RebuildProof>, Fault> {
        let path = step.rebuilt();
        match &step.run().rebuilt {
            Some(proof) if inode(Path::new(&proof.path)) == Some(proof.inode) => Ok(Found::Done(proof.clone())),
            None if !path.exists() && !partial(&path).exists() => Ok(Found::NotDone),
            _ => Ok(Found::Partial(format!("{} is not complete", path.display()))),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        let (what, run) = source(step)?;
        let (earlier, _) = find(step.places, what, &run)?;
        let target = step.target();
        if earlier.binary_digest != target.new || earlier.version != target.new_version {
            return Err(refused("what was found to restore is not what the plan names"));
        }
        if earlier.datastore != target.datastore {
            return Err(refused("the datastore is of another kind now than it was then"));
        }
        if what == CopyKind::Backup {
            let stored = Path::new(&earlier.path).join(stored_name(earlier.datastore));
            refuse_foreign(&stored, &step.server(), earlier.datastore).map_err(|why| refused(why.to_string()))?;
        }
        let found = Installation::of_unit(step.places, &target.unit)?;
        let server = match what {
            CopyKind::Kept => PathBuf::from(&earlier.path),
            CopyKind::Backup => stored(Path::new(&earlier.path), &step.server()),
        };
        token::matches(&found.config, &server).map_err(|why| refused(format!("nothing can be restored: {why}")))?;
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<RebuildProof, Fault> {
        let path = step.rebuilt();
        let partial = partial(&path);
        for old in [&path, &partial] {
            remove_tree(old)?;
        }
        let made = rebuild(step, &partial)
            .and_then(|()| durable::rename(&partial, &path).attempt(|| format!("{} is not complete", path.display())))
            .and_then(|()| proof(step, &path));
        if made.is_err() {
            for old in [&path, &partial] {
                let _ = remove_tree(old);
            }
        }
        made
    }

    fn remembered(run: &NodeRun, proof: &RebuildProof) -> bool {
        run.rebuilt.as_ref() == Some(proof)
    }

    fn proof(proof: &RebuildProof) -> Proof {
        Proof::Rebuilt(proof.clone())
    }

    fn reply(proof: RebuildProof) -> Reply {
        Reply::Rebuilt(proof)
    }
}

fn source(step: &Step<'_>) -> Result<(CopyKind, String), Fault> {
    match &step.mutation.op {
        Op::Rebuild { what, run } => Ok((*what, run.clone())),
        _ => Err(refused("this is not a rebuild")),
    }
}

fn rebuild(step: &mut Step<'_>, to: &Path) -> Result<(), Fault> {
    let (what, run) = source(step)?;
    let (earlier, run) = find(step.places, what, &run)?;
    let from = Path::new(&earlier.path);
    match what {
        CopyKind::Kept => {
            let kept = run.kept.ok_or_else(|| refused("that run kept nothing"))?;
            copy_tree(step, from, to, &never_written_again)?;
            let same = |path| is_marked(path, earlier.datastore, &kept.mark);
            if !same(from)? || !same(to)? {
                return Err(failed(format!("the stopped copy {} is not what it was", from.display())));
            }
            Ok(())
        }
        CopyKind::Backup => {
            let backup = run.backed_up.ok_or_else(|| refused("that run took no backup"))?;
            let within = step.mutation.deadline.duration().saturating_sub(step.begun.elapsed());
            let receipt = prove(&backup, within)?;
            if run.proven.as_ref().is_none_or(|proven| (proven.digest, proven.root) != (receipt.digest, receipt.root)) {
                return Err(failed(format!("the backup {} is not what its receipt says", from.display())));
            }
            of_backup(step, from, to)
        }
    }
}

/// From the backup what it has; what it has not, and is no datastore, from the live directory: an administrator keeps
/// files of his own there (admission and audit policies).
fn of_backup(step: &mut Step<'_>, backup: &Path, to: &Path) -> Result<(), Fault> {
    let live = step.server();
    let then = stored(backup, &live);
    let what = || format!("{} could not be rebuilt from {}", to.display(), backup.display());
    copy_tree(step, &then, to, &never_written_again)?;
    for entry in fs::read_dir(&live).attempt(what)? {
        let entry = entry.attempt(what)?;
        let name = entry.file_name();
        if name == "db" || to.join(&name).symlink_metadata().is_ok() {
            continue;
        }
        let kind = entry.file_type().attempt(what)?;
        if kind.is_dir() {
            copy_tree(step, &entry.path(), &to.join(&name), &|_| false)?;
        } else if kind.is_file() {
            copy_file(&entry.path(), &to.join(&name)).attempt(what)?;
        }
    }
    let db = to.join("db");
    durable::create_dir(&db, 0o700).attempt(what)?;
    let kind = step.target().datastore;
    make(&backup.join(stored_name(kind)), &live, to, kind).attempt(what)?;
    // What K3s put aside when etcd was reset. Snapshots are carried over by the restore.
    for entry in fs::read_dir(live.join("db")).attempt(what)? {
        let entry = entry.attempt(what)?;
        let name = entry.file_name();
        if is_put_aside(&name.to_string_lossy()) && entry.file_type().attempt(what)?.is_dir() {
            copy_tree(step, &entry.path(), &db.join(&name), &|_| true)?;
        }
    }
    durable::sync_dir(&db).attempt(what)?;
    copy_attributes(&live, to).attempt(what)?;
    fs::File::open(to).and_then(|dir| dir.sync_all()).attempt(what)
}

fn copy_tree(step: &mut Step<'_>, from: &Path, to: &Path, linked: &dyn Fn(&Path) -> bool) -> Result<(), Fault> {
    let channel = &mut *step.channel;
    let total = crate::inspect::size_of(from);
    let mut done = 0;
    let mut copying = |_: &Path, bytes| {
        channel.progress("making the directory that will be restored", done, total);
        done += bytes;
    };
    TreeCopy::new(linked, &mut copying).copy(from, to)
}

fn proof(step: &Step<'_>, path: &Path) -> Result<RebuildProof, Fault> {
    let kind = step.target().datastore;
    let what = || format!("the datastore in {} could not be read", path.display());
    let revision = Datastore::of_server(path, kind).and_then(|read| read.revision()).attempt(what)?;
    Ok(RebuildProof {
        path: path.to_string_lossy().into_owned(),
        inode: inode(path).ok_or_else(|| failed("the rebuilt directory vanished"))?,
        mark: mark(path, kind)?,
        revision,
        bytes: crate::inspect::size_of(path),
    })
}
