//! `keep`: copies the stopped `server/` beside itself: the way back of a single server (design.md §6).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use belay_facts::{Mutant, mutated};
use belay_journal::durable;
use belay_wire::{Fault, KeepProof, Reply};

use crate::datastore::Datastore;
use crate::down::Down;
use crate::fault::{Attempt as _, failed, refused, stale};
use crate::mark::{is_marked, is_of_datastore, mark, mark_of, stamps};
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step, inode};
use crate::stop::same_life;
use crate::{links, tree};

pub(crate) struct Keep;

impl Effect for Keep {
    type Proof = KeepProof;

    fn probe(step: &mut Step<'_>) -> Result<Found<KeepProof>, Fault> {
        let Some(proof) = step.run().kept.clone() else {
            let begun = step.keep().exists() || partial(&step.keep()).exists();
            return Ok(if begun { Found::Partial("a copy was begun".into()) } else { Found::NotDone });
        };
        // Once the binary was exchanged, the copy is what leads back, however the live side has changed since.
        if exchanged(step)? && inode(Path::new(&proof.path)) == Some(proof.keep_inode) {
            return Ok(Found::Done(proof));
        }
        match still_true(step, &proof)? {
            Ok(()) => Ok(Found::Done(proof)),
            Err(why) => Ok(Found::Partial(format!("the copy is stale: {why}"))),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        // A restore may be of the version that runs.
        let target = step.target();
        if exchanged(step)? || target.old != target.new && step.binary_digest()? == target.new {
            return Err(refused("the new version is in place: a copy made now would not lead back"));
        }
        refuse_mounts(step)?;
        let Some(stopped) = step.run().stopped.clone() else {
            return Err(refused("K3s was not stopped by this run"));
        };
        let unit = Down::require(step).map_err(|fault| stale(fault.message))?;
        if stopped.boot_id != step.now().boot_id || !same_life(&stopped.invocation, &unit) {
            return Err(stale("K3s ran again after it was stopped"));
        }
        Ok(Before { invocation: Some(stopped.invocation), ..Before::default() })
    }

    fn act(step: &mut Step<'_>) -> Result<KeepProof, Fault> {
        let begun = Instant::now();
        let keep = step.keep();
        let kept = copy(step, begun);
        if kept.is_err() {
            for path in [partial(&keep), keep] {
                let _ = tree::remove_tree(&path);
            }
        }
        kept
    }

    fn remembered(run: &NodeRun, proof: &KeepProof) -> bool {
        run.kept.as_ref() == Some(proof)
    }

    fn proof(proof: &KeepProof) -> Proof {
        Proof::Kept(proof.clone())
    }

    fn reply(proof: KeepProof) -> Reply {
        Reply::Kept(proof)
    }
}

/// Whether what the copy leads back from may be live. An intent alone does not say so: the power may have gone before the
/// exchange, and then the old version has run again by now. A restore that was decided is finished by the boot.
fn exchanged(step: &Step<'_>) -> Result<bool, Fault> {
    let run = step.run();
    Ok(run.swap_intended && (run.restore_plan.is_some() || step.binary_digest()? != step.target().old))
}

pub(crate) fn partial(keep: &Path) -> PathBuf {
    let name = keep.file_name().unwrap_or_default().to_string_lossy();
    keep.with_file_name(format!("{name}.partial"))
}

/// Whether what the copy saw is unchanged: both directories, the boot, the life of the unit, and the datastore.
/// The inner error says why not.
pub(crate) fn still_true(step: &Step<'_>, proof: &KeepProof) -> Result<Result<(), String>, Fault> {
    if mutated(Mutant::TrustStaleKeep) {
        return Ok(Ok(()));
    }
    if inode(Path::new(&proof.path)) != Some(proof.keep_inode) || inode(&step.server()) != Some(proof.server_inode) {
        return Ok(Err("one of the two directories is another one".into()));
    }
    if step.now().boot_id != proof.boot_id {
        return Ok(Err("the machine was booted since".into()));
    }
    let down = Down::look(step)?;
    if !down.against.is_empty() {
        return Ok(Err(down.against.join("; ")));
    }
    if !same_life(&proof.invocation, &down.unit) {
        return Ok(Err("K3s ran in between".into()));
    }
    let kind = step.target().datastore;
    // Read again only where the kernel does not say that nobody touched it.
    let untouched = !proof.stamps.is_empty() && stamps(&step.server(), kind)? == proof.stamps;
    if !untouched && !is_marked(&step.server(), kind, &proof.mark)? {
        return Ok(Err("the datastore was written in between".into()));
    }
    Ok(Ok(()))
}

fn copy(step: &mut Step<'_>, begun: Instant) -> Result<KeepProof, Fault> {
    let (server, keep, kind) = (step.server(), step.keep(), step.target().datastore);
    let partial = partial(&keep);
    for old in [&partial, &keep] {
        tree::remove_tree(old)?;
    }
    // Its only use is to be free now.
    durable::remove(&step.reserve()).attempt(|| "the reserve for the copy could not be freed")?;
    let before = stamps(&server, kind)?;
    let total = crate::inspect::size_of(&server);
    let mut done = 0;
    let channel = &mut *step.channel;
    let mut copying = |_: &Path, bytes| {
        channel.progress("copying the stopped server directory", done, total);
        done += bytes;
    };
    let hashed = |name: &Path| is_of_datastore(kind, name);
    let mut copied = tree::TreeCopy::new(&never_written_again, &mut copying);
    copied.hashed = &hashed;
    // The copy is read again, from the disk's content as the kernel has it.
    let mark = copied.copy_and(&server, &partial, || mark(&partial, kind))??;
    let (bytes, read) = (copied.bytes, copied.digests);
    let stamps = stamps(&server, kind)?;
    let unchanged = !before.is_empty() && before == stamps;
    match mark_of(&stamps, &read).filter(|_| unchanged) {
        Some(was) if was != mark => return Err(failed("the copy of the datastore differs from the datastore")),
        Some(_) => {}
        // The kernel cannot tell, or says that somebody wrote: the datastore itself tells.
        None if !is_marked(&server, kind, &mark)? => {
            return Err(stale("the datastore was written while it was copied"));
        }
        None => {}
    }
    if mutated(Mutant::BackupWithoutKeep)
        && let Some(backup) = &step.run().backed_up
    {
        let stored = Path::new(&backup.path).join(crate::datastore::stored_name(kind));
        let what = || "the online backup could not be taken for a stopped copy";
        for name in ["db/state.db", "db/state.db-wal", "db/state.db-shm"] {
            durable::remove(&partial.join(name)).attempt(what)?;
        }
        tree::copy_file(&stored, &partial.join("db/state.db")).attempt(what)?;
    }
    let mark = if mutated(Mutant::BackupWithoutKeep) { crate::mark::mark(&partial, kind)? } else { mark };
    let database = Datastore::of_server(&partial, kind);
    let revision = database.and_then(|d| d.revision()).attempt(|| "the copy of the datastore could not be read")?;
    durable::rename(&partial, &keep).attempt(|| format!("{} could not be completed", keep.display()))?;
    copy_aside(step);
    let missing = || failed("the copy vanished");
    let invocation = step.run().stopped.clone().map(|proof| proof.invocation).unwrap_or_default();
    Ok(KeepProof {
        path: keep.to_string_lossy().into_owned(),
        server_inode: inode(&server).ok_or_else(missing)?,
        keep_inode: inode(&keep).ok_or_else(missing)?,
        boot_id: step.now().boot_id,
        invocation,
        mark,
        stamps,
        revision,
        bytes,
        links: links::data_links(&step.data_dir()),
        took: begun.elapsed().into(),
    })
}

/// Snapshots and what etcd put aside: large, and nobody writes into them again (k3s-facts §2.1).
pub(crate) fn never_written_again(name: &Path) -> bool {
    let mut parts = name.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let (Some(db), Some(dir)) = (parts.next(), parts.next()) else { return false };
    db == "db" && (dir == "snapshots" || dir == ".metadata" || is_put_aside(&dir))
}

/// Whether a directory in `db` is an etcd of before, as K3s leaves it when it resets or rejoins.
pub(crate) fn is_put_aside(name: &str) -> bool {
    name.starts_with("etcd-old-") || name.starts_with("etcd-backup-")
}

/// `server` as a mount point, or with one below it, cannot be exchanged.
pub(crate) fn refuse_mounts(step: &Step<'_>) -> Result<(), Fault> {
    let server = step.server();
    let mounts = fs::read_to_string(step.places.proc.join("self/mountinfo")).unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    if let Some(point) = points.map(PathBuf::from).find(|point| point.starts_with(&server)) {
        return Err(refused(format!("{} is a mount point, and cannot be exchanged", point.display())));
    }
    let device = |path: &Path| fs::metadata(path).ok().map(|meta| meta.dev());
    if device(&server) != server.parent().and_then(device) {
        return Err(refused(format!("{} is not in the file system of its parent", server.display())));
    }
    Ok(())
}

/// mountinfo writes blanks as `\040`.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// Small files that are never put back, for a human, should the kubelet say no after a way back. Best effort: the way
/// back does not need them.
fn copy_aside(step: &Step<'_>) {
    let aside = step.run_dir().join("aside");
    let agent = step.data_dir().join("agent/containerd");
    let kubelet = &step.places.kubelet;
    let sources = [
        agent.join("io.containerd.metadata.v1.bolt/meta.db"),
        kubelet.join("cpu_manager_state"),
        kubelet.join("memory_manager_state"),
        kubelet.join("device-plugins/kubelet_internal_checkpoint"),
        step.places.etc.join("rancher/node/password"),
        step.places.etc.join("rancher/node/id"),
    ];
    for source in sources.into_iter().filter(|source| source.is_file()) {
        let Some(name) = source.file_name() else { continue };
        let to = aside.join(name);
        if durable::create_dir(&aside, 0o700).is_ok() && durable::remove(&to).is_ok() {
            let _ = tree::copy_file(&source, &to);
        }
    }
}
