//! Reading a stored backup, so that a coordinator on another machine has a copy before anything is stopped.

use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::path::{Component, Path, PathBuf};

use belay_wire::{BackupListing, Fault, Reply};

use crate::Places;
use crate::fault::{Attempt as _, refused};
use crate::serve::Link;

/// Bytes of a file in one frame.
const CHUNK: u64 = 1024 * 1024;

/// What the backup of a run holds.
pub(crate) fn list(places: &Places, run: &str) -> Result<Reply, Fault> {
    let root = stored(places, run)?;
    let (mut listing, mut todo) = (BackupListing::default(), vec![root.clone()]);
    while let Some(path) = todo.pop() {
        let what = || format!("{} could not be read", path.display());
        let name = || path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        let meta = fs::symlink_metadata(&path).attempt(what)?;
        if meta.is_dir() {
            for entry in fs::read_dir(&path).attempt(what)? {
                todo.push(entry.attempt(what)?.path());
            }
        } else if meta.is_file() {
            listing.files.push((name(), meta.len()));
        } else if meta.is_symlink() {
            let target = fs::read_link(&path).attempt(what)?;
            listing.links.push((name(), target.to_string_lossy().into_owned()));
        }
    }
    listing.files.sort_unstable();
    listing.links.sort_unstable();
    Ok(Reply::Backup(listing))
}

/// Sends one file of it in frames, ended by an empty one.
pub(crate) fn read<W: Write>(places: &Places, run: &str, name: &str, link: &mut Link<W>) -> Result<Reply, Fault> {
    let root = stored(places, run)?;
    let what = || format!("{name} of the backup could not be read");
    let path = fs::canonicalize(root.join(plain(name)?)).attempt(what)?;
    if !path.starts_with(&root) {
        return Err(refused(format!("{name} leads out of the backup")));
    }
    let mut file = File::open(&path).attempt(what)?;
    let mut sent = 0;
    loop {
        let mut chunk = Vec::new();
        // A file that breaks off half way ends with a fault, never with the empty frame.
        (&mut file).take(CHUNK).read_to_end(&mut chunk).attempt(what)?;
        let last = chunk.is_empty();
        sent += chunk.len() as u64;
        link.send_bytes(chunk).attempt(what)?;
        if last {
            return Ok(Reply::Read { bytes: sent });
        }
    }
}

fn stored(places: &Places, run: &str) -> Result<PathBuf, Fault> {
    let what = || format!("there is no backup of run {run}");
    if Path::new(run).components().count() != 1 {
        return Err(refused(what()));
    }
    fs::canonicalize(places.backup_dir(plain(run)?)).attempt(what)
}

/// A name below something, and nowhere else.
fn plain(name: &str) -> Result<&str, Fault> {
    let below = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if below && !name.is_empty() { Ok(name) } else { Err(refused(format!("`{name}` is no name in a backup"))) }
}
