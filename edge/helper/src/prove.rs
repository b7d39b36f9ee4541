//! `prove-backup`: reopens the stored backup and proves what it is. Never looks at the live datastore.

use std::fs;
use std::path::Path;
use std::time::Duration;

use belay_facts::{Digest, Mutant, mutated};
use belay_journal::durable;
use belay_wire::{BackupReceipt, Fault, Reply};

use crate::backup::{BackedUp, MANIFEST, Manifest, digests};
use crate::datastore::{Datastore, DatastoreError, stored_name};
use crate::fault::{Attempt as _, failed, refused};
use crate::node_run::{Before, NodeRun, Proof};
use crate::step::{Effect, Found, Step};
use crate::{bootstrap, token};

pub(crate) const RECEIPT: &str = "receipt.json";

pub(crate) struct ProveBackup;

impl Effect for ProveBackup {
    type Proof = BackupReceipt;

    fn probe(step: &mut Step<'_>) -> Result<Found<BackupReceipt>, Fault> {
        match &step.run().proven {
            Some(receipt) if Path::new(&receipt.path).join(RECEIPT).is_file() => Ok(Found::Done(receipt.clone())),
            _ => Ok(Found::NotDone),
        }
    }

    fn before(step: &mut Step<'_>) -> Result<Before, Fault> {
        match step.run().backed_up {
            Some(_) => Ok(Before::default()),
            None => Err(refused("there is no backup of this run to prove")),
        }
    }

    fn act(step: &mut Step<'_>) -> Result<BackupReceipt, Fault> {
        let backup = step.run().backed_up.clone().ok_or_else(|| refused("there is no backup of this run"))?;
        let within = step.mutation.deadline.duration().saturating_sub(step.begun.elapsed());
        let receipt = if mutated(Mutant::ProveTheLiveFile) {
            prove_live(step, &backup, within)?
        } else {
            prove(&backup, within)?
        };
        let path = backup.path;
        let what = || "the receipt could not be written";
        let json = serde_json::to_vec(&receipt).attempt(what)?;
        durable::replace(&Path::new(&path).join(RECEIPT), &json, 0o600).attempt(what)?;
        Ok(receipt)
    }

    fn remembered(run: &NodeRun, proof: &BackupReceipt) -> bool {
        run.proven.as_ref() == Some(proof)
    }

    fn proof(proof: &BackupReceipt) -> Proof {
        Proof::Proven(proof.clone())
    }

    fn reply(proof: BackupReceipt) -> Reply {
        Reply::Proven(proof)
    }
}

/// What nobody should do, for [`Mutant::ProveTheLiveFile`]: the datastore that is read is the one that runs.
fn prove_live(step: &Step<'_>, backup: &BackedUp, within: Duration) -> Result<BackupReceipt, Fault> {
    let what = || "the live datastore could not be read";
    let live = Datastore::of_server(&step.server(), step.target().datastore).attempt(what)?;
    let integrity = live.integrity_check(within).attempt(what)?;
    let manifest = fs::read(Path::new(&backup.path).join(MANIFEST)).attempt(what)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).attempt(what)?;
    Ok(BackupReceipt {
        path: backup.path.clone(),
        kind: manifest.kind,
        taken_at_unix: manifest.taken_at_unix,
        size: backup.bytes,
        digest: manifest.datastore,
        integrity: integrity.unwrap_or_default(),
        revision: live.revision().attempt(what)?,
        keys: live.keys().attempt(what)?,
        root: live.root().attempt(what)?,
        files: manifest.files.into_iter().collect(),
        level: "decrypts".into(),
    })
}

/// Reads a stored backup to its end and compares it with its manifest.
pub(crate) fn prove(backup: &BackedUp, within: Duration) -> Result<BackupReceipt, Fault> {
    let path = Path::new(&backup.path);
    let what = || format!("the manifest of the backup at {} could not be read", path.display());
    let manifest = fs::read(path.join(MANIFEST)).attempt(what)?;
    if Digest::of(&manifest) != backup.manifest {
        return Err(failed(format!("the manifest of the backup at {} was altered", path.display())));
    }
    let manifest: Manifest = serde_json::from_slice(&manifest).attempt(what)?;
    let mut files = digests(path)?;
    files.remove(MANIFEST);
    files.remove(RECEIPT);
    let datastore = stored_name(manifest.kind);
    let stored = files.remove(datastore);
    if stored != Some(manifest.datastore) {
        return Err(failed(format!(
            "the stored datastore {} is not what was written: it was truncated or altered",
            path.join(datastore).display()
        )));
    }
    for (name, digest) in &manifest.files {
        if files.get(name) != Some(digest) {
            return Err(failed(format!("{name} in the backup at {} was removed or altered", path.display())));
        }
    }
    let Some(token) = files.keys().find(|name| name.ends_with("server/token")) else {
        return Err(failed("the backup holds no server token, and without it nothing in it can be decrypted"));
    };
    let database = path.join(datastore);
    let read = Datastore::stored(&database, manifest.kind).attempt(|| "the stored datastore could not be reopened")?;
    let what = || "the stored datastore could not be read to its end";
    let integrity = read.integrity_check(within).attempt(what)?;
    match integrity.as_deref() {
        Some("ok") => {}
        Some(said) => return Err(failed(format!("the stored datastore is damaged: {said}"))),
        None => return Err(failed("the integrity check of the stored datastore did not end in time")),
    }
    let (revision, keys, root) =
        (read.revision().attempt(what)?, read.keys().attempt(what)?, read.root().attempt(what)?);
    if revision == 0 || keys == 0 {
        return Err(failed("the stored datastore is empty"));
    }
    let token = fs::read_to_string(path.join(token)).attempt(|| "the stored token could not be read")?;
    let level = level(&read, token::password(&token)).attempt(what)?;
    let level = level.ok_or_else(|| {
        failed("the stored datastore holds the cluster's keys under this token, and they do not open with it")
    })?;
    Ok(BackupReceipt {
        path: path.to_string_lossy().into_owned(),
        kind: manifest.kind,
        taken_at_unix: manifest.taken_at_unix,
        size: fs::metadata(&database).map(|meta| meta.len()).unwrap_or_default(),
        digest: manifest.datastore,
        integrity: "ok".into(),
        revision,
        keys,
        root,
        files: manifest.files.into_iter().collect(),
        level: level.into(),
    })
}

/// How much is proven. K3s keeps its CAs and keys in the datastore, sealed with the token: where they are, they must open
/// with the token that was saved. `None` when they do not.
fn level(read: &Datastore, password: &str) -> Result<Option<&'static str>, DatastoreError> {
    match read.value(&bootstrap::row(password))? {
        Some(sealed) if bootstrap::opens(password, &sealed) => Ok(Some("decrypts")),
        Some(_) => Ok(None),
        // A K3s that never stored them, or under a token of before: nothing speaks for it, and nothing against it.
        None => Ok(Some("readable")),
    }
}
