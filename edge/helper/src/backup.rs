//! `backup`: the online copy of the datastore and of everything that belongs to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::{DatastoreKind, Digest};
use belay_journal::{crash_point, durable};
use belay_wire::{Fault, Reply};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::datastore::{copy_online, stored_name};
use crate::digests::digest_file;
use crate::fault::{Attempt as _, failed, refused};
use crate::keep::partial;
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step};
use crate::{Installation, inspect, tree};

/// What a backup consists of, written last into it; its own digest is in the node's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub taken_at_unix: u64,
    #[serde(default = "sqlite")]
    pub kind: DatastoreKind,
    /// Digest of the copy of the datastore.
    pub datastore: Digest,
    /// Relative path to digest, of every other file.
    pub files: BTreeMap<String, Digest>,
}

/// Manifests before etcd did not say it.
fn sqlite() -> DatastoreKind {
    DatastoreKind::Sqlite
}

pub(crate) const MANIFEST: &str = "manifest.json";

/// Where a backup lies, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    pub path: String,
    pub bytes: u64,
    /// Digest of its manifest, which holds those of everything else.
    pub manifest: Digest,
}

pub(crate) struct Backup;

impl Effect for Backup {
    type Proof = BackedUp;

    fn probe(step: &mut Step<'_>) -> Result<Found<BackedUp>, Fault> {
        let path = step.places.backup_dir(&step.mutation.run);
        match &step.run().backed_up {
            Some(known) if Path::new(&known.path).join(MANIFEST).is_file() => Ok(Found::Done(known.clone())),
            None if !path.exists() && !partial(&path).exists() => Ok(Found::NotDone),
            _ => Ok(Found::Partial(format!("the backup at {} is not complete", path.display()))),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        refuse_rotation(&step.server())?;
        Ok(Before::default())
    }

    fn act(step: &mut Step<'_>) -> Result<BackedUp, Fault> {
        let path = step.places.backup_dir(&step.mutation.run);
        let partial = partial(&path);
        tree::remove_tree(&partial)?;
        // Only one of this run that was never answered for.
        tree::remove_tree(&path)?;
        durable::create_dir(&partial, 0o700).attempt(|| format!("{} could not be created", partial.display()))?;
        let taken = take(step, &partial).and_then(|()| {
            durable::rename(&partial, &path).attempt(|| format!("{} could not be completed", path.display()))
        });
        if taken.is_err() {
            let _ = tree::remove_tree(&partial);
        }
        taken?;
        let manifest = digest_file(&path.join(MANIFEST)).attempt(|| "the backup's manifest could not be read")?.0;
        let bytes = inspect::size_of(&path);
        Ok(BackedUp { path: path.to_string_lossy().into_owned(), bytes, manifest })
    }

    fn remembered(run: &NodeRun, proof: &BackedUp) -> bool {
        run.backed_up.as_ref() == Some(proof)
    }

    fn proof(proof: &BackedUp) -> Proof {
        Proof::BackedUp(proof.clone())
    }

    fn reply(proof: BackedUp) -> Reply {
        Reply::BackedUp { path: proof.path, bytes: proof.bytes }
    }
}

/// In the middle of a secrets-encryption rotation the keys on disk and those that the datastore was written with may
/// differ; a copy taken then may not decrypt (k3s-facts §5.3).
fn refuse_rotation(server: &Path) -> Result<(), Fault> {
    let Ok(state) = fs::read_to_string(server.join("cred/encryption-state.json")) else { return Ok(()) };
    let middle = ["reencrypt_request", "reencrypt_active", "prepare", "rotate"];
    match middle.into_iter().find(|stage| state.contains(stage)) {
        Some(stage) => Err(refused(format!(
            "a rotation of the secrets-encryption keys is at stage `{stage}`; finish it with `k3s secrets-encrypt`"
        ))),
        None => Ok(()),
    }
}

fn take(step: &mut Step<'_>, to: &Path) -> Result<(), Fault> {
    let server = step.server();
    let secrets = [server.join("tls"), server.join("cred"), server.join("token")];
    let datastore = to.join(stored_name(step.target().datastore));
    let files = to.join("files");
    for attempt in 1.. {
        let before = fingerprint(&secrets)?;
        step.channel.progress("copying the datastore online", attempt, 0);
        for old in [datastore.parent().unwrap_or(to), &files] {
            tree::remove_tree(old)?;
            durable::create_dir(old, 0o700).attempt(|| format!("{} could not be created", old.display()))?;
        }
        copy_online(step, &datastore)?;
        crash_point(format_args!("copied the datastore online"));
        for name in ["tls", "cred", "token", "node-token", "agent-token", "manifests"] {
            copy_in(&server.join(name), &files)?;
        }
        // A certificate that is renewed, or a key that is rotated, in between belongs to neither side of the copy.
        if fingerprint(&secrets)? == before {
            break;
        }
        if attempt >= 5 || step.is_late() {
            return Err(failed("certificates or keys kept changing while the backup was taken"));
        }
    }
    for path in inputs(step)? {
        copy_in(&path, &files)?;
    }
    write_manifest(step, to)
}

/// Everything outside `server` that makes this K3s what it is.
fn inputs(step: &Step<'_>) -> Result<Vec<PathBuf>, Fault> {
    let found = Installation::of_unit(step.places, &step.target().unit)?;
    let etc = &step.places.etc;
    let mut paths: Vec<PathBuf> = vec![etc.join("rancher/k3s"), etc.join("rancher/node"), step.binary()];
    paths.push(PathBuf::from(&found.unit.fragment));
    let own = step.places.interlock(&step.target().unit);
    paths.extend(found.unit.drop_ins.iter().map(PathBuf::from).filter(|path| *path != own));
    paths.extend(found.unit.environment_files.iter().map(PathBuf::from));
    paths.extend(
        found.config.files().iter().map(PathBuf::from).filter(|path| !path.starts_with(etc.join("rancher/k3s"))),
    );
    let agent = step.data_dir().join("agent/etc");
    let templates = ["config.toml.tmpl", "config-v3.toml.tmpl", "config.toml.d", "config-v3.toml.d", "certs.d"];
    paths.extend(templates.map(|name| agent.join("containerd").join(name)));
    paths.push(agent.join("kubelet.conf.d"));
    paths.retain(|path| !path.as_os_str().is_empty());
    Ok(paths)
}

/// Copies a file or directory to its own absolute path below `files`; what is not there is no part of the backup.
fn copy_in(from: &Path, files: &Path) -> Result<(), Fault> {
    let Ok(meta) = fs::symlink_metadata(from) else { return Ok(()) };
    let to = files.join(from.strip_prefix("/").unwrap_or(from));
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    let what = || format!("{} could not be backed up", from.display());
    if let Some(parent) = to.parent() {
        durable::create_dir(parent, 0o700).attempt(what)?;
    }
    if meta.is_dir() {
        return tree::TreeCopy::new(&|_| false, &mut |_, _| {}).copy(from, &to);
    }
    if meta.file_type().is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from).attempt(what)?, &to).attempt(what);
    }
    tree::copy_file(from, &to).attempt(what)?;
    fs::File::open(&to).and_then(|file| file.sync_all()).attempt(what)
}

/// Digest over names and contents of all files.
fn fingerprint(paths: &[PathBuf]) -> Result<Digest, Fault> {
    let mut hasher = Sha256::new();
    for root in paths {
        for (name, digest) in digests(root)? {
            hasher.update(format!("{name}\0{digest}\n"));
        }
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Relative path and digest of every regular file below `root` (or of `root` itself), in order.
pub(crate) fn digests(root: &Path) -> Result<BTreeMap<String, Digest>, Fault> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        let what = || format!("{} could not be read", path.display());
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            for entry in fs::read_dir(&path).attempt(what)? {
                todo.push(entry.attempt(what)?.path());
            }
        } else if meta.is_file() {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.insert(name, digest_file(&path).attempt(what)?.0);
        }
    }
    Ok(found)
}

fn write_manifest(step: &Step<'_>, to: &Path) -> Result<(), Fault> {
    let mut files = digests(to)?;
    let datastore = files
        .remove(stored_name(step.target().datastore))
        .ok_or_else(|| failed("the copy of the datastore is missing"))?;
    let manifest = Manifest { taken_at_unix: step.now().wall / 1000, kind: step.target().datastore, datastore, files };
    let what = || "the backup's manifest could not be written";
    let json = serde_json::to_vec(&manifest).attempt(what)?;
    durable::replace(&to.join(MANIFEST), &json, 0o600).attempt(what)
}
