use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use belay_engine::{Fault, FaultKind};
use belay_facts::{DatastoreKind, Digest};
use belay_journal::durable;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The datastore inside a backup; every other file is named by the receipt.
const fn datastore(kind: DatastoreKind) -> &'static str {
    match kind {
        DatastoreKind::Etcd => "datastore/snapshot.db",
        DatastoreKind::Sqlite | DatastoreKind::External => "datastore/state.db",
    }
}

/// What describes a backup and is no part of its own list.
const LABELS: [&str; 2] = ["manifest.json", "receipt.json"];

/// What a receipt says of a backup, as `prove-backup` journalled it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Receipt {
    path: PathBuf,
    kind: DatastoreKind,
    digest: Digest,
    files: Vec<(String, Digest)>,
}

/// Evidence of the copy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CopyProof {
    path: PathBuf,
    files: usize,
    bytes: u64,
}

/// Copies a proven backup to `<to>/<cluster>/<run>`, directories 0700 and files 0600, reads every file back from the disk and
/// holds it against the receipt. `from` is where this machine has it, when the receipt speaks of another one. A copy that is
/// not whole lies under another name and is begun anew.
pub fn copy_off(
    receipt: &serde_json::Value,
    from: Option<&Path>,
    to: &Path,
    cluster: &str,
    run: &str,
) -> Result<serde_json::Value, Fault> {
    let receipt: Receipt = serde_json::from_value(receipt.clone())
        .map_err(|error| fault(FaultKind::Failed, format!("the receipt of the backup could not be read: {error}")))?;
    let from = from.unwrap_or(&receipt.path);
    let parent = to.join(cluster);
    let (whole, partial) = (parent.join(run), parent.join(format!("{run}.partial")));
    let failed = |path: &Path, error: &io::Error| {
        let kind = if error.kind() == io::ErrorKind::StorageFull { FaultKind::Space } else { FaultKind::Failed };
        fault(kind, format!("the backup could not be copied to {}: {} {error}", to.display(), path.display()))
    };
    let mut expected: BTreeMap<String, Digest> = receipt.files.iter().cloned().collect();
    expected.insert(datastore(receipt.kind).to_owned(), receipt.digest);
    for label in LABELS {
        let path = from.join(label);
        let (digest, _) = digest_of(&path).map_err(|error| failed(&path, &error))?;
        expected.insert(label.to_owned(), digest);
    }
    if !whole.exists() {
        durable::remove_tree(&partial).map_err(|error| failed(&partial, &error))?;
        for dir in [to, &parent, &partial] {
            durable::create_dir(dir, 0o700).map_err(|error| failed(dir, &error))?;
        }
        for name in expected.keys() {
            let path = partial.join(name);
            copy(&from.join(name), &partial, name).map_err(|error| failed(&path, &error))?;
        }
    }
    let copied = if whole.exists() { &whole } else { &partial };
    let mut bytes = 0;
    for (name, digest) in &expected {
        let path = copied.join(name);
        let (is, size) = digest_of(&path).map_err(|error| failed(&path, &error))?;
        if is != *digest {
            let message = format!("{} is not what was copied there: expected {digest}, read back {is}", path.display());
            return Err(fault(FaultKind::Failed, message));
        }
        bytes += size;
    }
    if !whole.exists() {
        durable::rename(&partial, &whole).map_err(|error| failed(&whole, &error))?;
    }
    serde_json::to_value(CopyProof { path: whole, files: expected.len(), bytes })
        .map_err(|error| fault(FaultKind::Failed, error.to_string()))
}

/// One regular file, durable; never through a link, since a backup is what it was when it was proven.
fn copy(from: &Path, into: &Path, name: &str) -> io::Result<()> {
    let to = into.join(name);
    if let Some(dir) = to.parent() {
        durable::create_dir(dir, 0o700)?;
    }
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut source = OpenOptions::new().read(true).custom_flags(nofollow).open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
    io::copy(&mut source, &mut target)?;
    target.flush()?;
    target.sync_all()?;
    // Read back from the disk, not from memory, where the kernel lets us.
    let _ = rustix::fs::fadvise(&target, 0, None, rustix::fs::Advice::DontNeed);
    durable::sync_parent(&to)
}

fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0u64, vec![0u8; 1024 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok((Digest::from_bytes(hash.finalize().into()), bytes));
        };
        hash.update(chunk);
        bytes += read as u64;
    }
}

fn fault(kind: FaultKind, message: String) -> Fault {
    let hint = match kind {
        FaultKind::Space => "free some space there, or give another directory with --backup-to",
        _ => "look at the directory, or give another one with --backup-to",
    };
    Fault { kind, message, hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const DATASTORE: &str = datastore(DatastoreKind::Sqlite);

    fn backup(dir: &Path) -> serde_json::Value {
        let files = [(DATASTORE, "rows"), ("files/token", "K10abc"), ("manifest.json", "{}"), ("receipt.json", "{}")];
        for (name, text) in files {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), text).unwrap();
        }
        let token = Digest::of(b"K10abc").to_string();
        serde_json::json!({ "path": dir, "kind": "sqlite", "digest": Digest::of(b"rows").to_string(), "files": [["files/token", token]] })
    }

    #[test]
    fn a_copy_is_whole_closed_to_others_and_the_same_when_asked_twice() {
        let dir = tempfile::tempdir().unwrap();
        let receipt = backup(&dir.path().join("backup"));
        let to = dir.path().join("elsewhere/deep");
        let proof = copy_off(&receipt, None, &to, "c1", "2026-11-23-3fa9").unwrap();
        let copied = to.join("c1/2026-11-23-3fa9");
        assert_eq!(proof["path"], copied.to_string_lossy().as_ref());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&copied), mode(&copied.join("files/token"))), (0o700, 0o600));
        assert_eq!(fs::read_to_string(copied.join(DATASTORE)).unwrap(), "rows");
        assert_eq!(copy_off(&receipt, None, &to, "c1", "2026-11-23-3fa9").unwrap(), proof);
    }

    #[test]
    fn a_backup_that_was_brought_off_its_node_is_copied_from_here() {
        let dir = tempfile::tempdir().unwrap();
        let mut receipt = backup(&dir.path().join("brought"));
        receipt["path"] = "/var/lib/belay/backups/on-the-node".into();
        let to = dir.path().join("to");
        assert!(copy_off(&receipt, None, &to, "c1", "r1").is_err(), "that path is one of another machine");
        copy_off(&receipt, Some(&dir.path().join("brought")), &to, "c1", "r1").unwrap();
        assert_eq!(fs::read_to_string(to.join("c1/r1/files/token")).unwrap(), "K10abc");
    }

    #[test]
    fn a_copy_that_differs_from_the_receipt_is_no_copy() {
        let dir = tempfile::tempdir().unwrap();
        let receipt = backup(&dir.path().join("backup"));
        fs::write(dir.path().join("backup").join(DATASTORE), "other rows").unwrap();
        let to = dir.path().join("to");
        let refused = copy_off(&receipt, None, &to, "c1", "r1").unwrap_err();
        assert!(refused.message.contains("state.db"), "{refused:?}");
        assert!(!to.join("c1/r1").exists(), "what is not whole has not the name of a backup");
        // The source is well again: the half copy is begun anew.
        fs::write(dir.path().join("backup").join(DATASTORE), "rows").unwrap();
        copy_off(&receipt, None, &to, "c1", "r1").unwrap();
        // A copy that rots is found out.
        fs::write(to.join("c1/r1/files/token"), "K10xyz").unwrap();
        assert!(copy_off(&receipt, None, &to, "c1", "r1").is_err());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let receipt = backup(&dir.path().join("backup"));
        fs::write(dir.path().join("file"), "").unwrap();
        let refused = copy_off(&receipt, None, &dir.path().join("file"), "c1", "r1").unwrap_err();
        assert!(refused.message.contains("/file") && refused.hint.is_some(), "{refused:?}");
    }
}
