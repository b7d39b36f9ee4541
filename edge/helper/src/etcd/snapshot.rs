//! A snapshot of a running etcd, by K3s' own command, and the proof of its trailer.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use belay_wire::Fault;
use sha2::{Digest as _, Sha256};

use super::store::StoreError;
use crate::command::run_well;
use crate::fault::{Attempt as _, failed};
use crate::tree;

pub(super) const TRAILER: u64 = 32;
const FORGET: Duration = Duration::from_secs(20);

/// Asks the running server for a snapshot named after the run, and moves it to `to`.
///
/// Uncompressed whatever the configuration says (K3s cannot restore its own compressed ones: k3s-facts §2.5), not to S3,
/// and under a name that no retention counts. The data directory goes by the environment: an argv of ours must never
/// look like a server's (design.md §10).
pub(crate) fn save(binary: &Path, data_dir: &Path, run: &str, to: &Path, within: Duration) -> Result<(), Fault> {
    let dir = data_dir.join("server/db/snapshots");
    let name = format!("belay-{run}");
    let before = named(&dir, &name);
    let ask = |arguments: &[&str], within| {
        let mut command = Command::new(binary);
        command.args(["etcd-snapshot"]).args(arguments).args(["--etcd-s3=false"]);
        command.arg(format!("--etcd-snapshot-dir={}", dir.display())).env("K3S_DATA_DIR", data_dir);
        run_well(&mut command, within)
    };
    ask(&["save", "--name", &name, "--etcd-snapshot-compress=false"], within)
        .attempt(|| "the datastore could not be backed up (`k3s etcd-snapshot save`)")?;
    let made = named(&dir, &name).into_iter().find(|path| !before.contains(path));
    let made = made.ok_or_else(|| {
        // K3s calls a snapshot done that it could not write (`pkg/etcd/snapshot.go`), and says why in its log only.
        failed(format!("`k3s etcd-snapshot save` left nothing in {}: is there room? K3s' log says more", dir.display()))
    })?;
    tree::copy_file(&made, to).attempt(|| format!("the snapshot {} could not be copied", made.display()))?;
    // The stored copy is what counts from here. K3s keeps an object for each snapshot, so it is K3s that deletes them;
    // what is left when it does not is a file too many.
    for path in named(&dir, &name) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = ask(&["delete", &file], within.min(FORGET));
        let _ = fs::remove_file(&path);
    }
    File::open(to).and_then(|file| file.sync_all()).attempt(|| format!("{} could not be made durable", to.display()))
}

fn named(dir: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(name) && !file.to_string_lossy().ends_with(".part"))
    };
    entries.map(|entry| entry.path()).filter(ours).collect()
}

/// Proves the SHA-256 that etcd appends to a snapshot (`etcdutl/snapshot/v3_snapshot.go`).
///
/// # Errors
/// When it cannot be read, has no trailer, or is not what was written.
pub fn check_trailer(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Read { path: path.into(), source };
    let snapshot = |why| StoreError::Snapshot { path: path.into(), why };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut begin = [0; 4];
    // K3s can be asked to put its snapshots into ZIP archives.
    if file.read_at(&mut begin, 0).map_err(failed)? == 4 && begin == *b"PK\x03\x04" {
        return Err(snapshot("it is compressed, and only what lies in the archive is one"));
    }
    if length < TRAILER || length % 512 != TRAILER {
        return Err(snapshot("it has no hash at its end"));
    }
    let mut hasher = Sha256::new();
    let mut content = (&file).take(length - TRAILER);
    io::copy(&mut content, &mut HashInto(&mut hasher)).map_err(failed)?;
    let mut trailer = [0; TRAILER as usize];
    (&file).read_exact(&mut trailer).map_err(failed)?;
    match hasher.finalize().as_slice() == trailer {
        true => Ok(()),
        false => Err(snapshot("its content is not what the hash at its end says")),
    }
}

struct HashInto<'a>(&'a mut Sha256);

impl io::Write for HashInto<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
