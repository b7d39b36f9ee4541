//! `data/<hash>`: what a K3s binary extracts itself to, and runs from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use belay_facts::Digest;
use belay_wire::Fault;

use crate::digests::{SeenDigests, digest_file};
use crate::fault::{Attempt as _, failed};
use crate::process::is_hash;

/// Checks every file against `.sha256sums` and every link against `.links`, as K3s does only when it extracts
/// (k3s-facts §2.2). Returns the digest of `bin/k3s`, which is what will run.
pub(crate) fn verify(dir: &Path, digests: &SeenDigests) -> Result<Digest, Fault> {
    let bin = dir.join("bin");
    let sums = list(&bin.join(".sha256sums"))?;
    let mut inner = None;
    for (digest, name) in &sums {
        let path = inside(&bin, name)?;
        let expected: Digest = digest.parse().attempt(|| format!("{} lists no digest", path.display()))?;
        // What will run is looked at again in a gate; the others are not.
        let is = if name == "k3s" { digests.digest(&path) } else { digest_file(&path).map(|(digest, _)| digest) };
        let is = is.attempt(|| format!("{} could not be read", path.display()))?;
        if is != expected {
            return Err(failed(format!("{} is {is}, and .sha256sums says {expected}", path.display())));
        }
        if name == "k3s" {
            inner = Some(is);
        }
    }
    for (name, target) in list(&bin.join(".links"))? {
        let path = inside(&bin, &name)?;
        if fs::read_link(&path).ok().as_deref() != Some(Path::new(&target)) {
            return Err(failed(format!("{} is not a link to {target}", path.display())));
        }
    }
    inner.ok_or_else(|| failed(format!("{} lists no k3s", bin.join(".sha256sums").display())))
}

/// How many files and links the lists name, and those that are not so.
pub(crate) fn damaged(dir: &Path) -> Result<(u64, Vec<String>), Fault> {
    let bin = dir.join("bin");
    let (sums, links) = (list(&bin.join(".sha256sums"))?, list(&bin.join(".links"))?);
    let mut damaged = Vec::new();
    for (digest, name) in &sums {
        match digest_file(&inside(&bin, name)?) {
            Ok((is, _)) if is.hex() == *digest => {}
            Ok((is, _)) => damaged.push(format!("{name}: {is}")),
            Err(error) => damaged.push(format!("{name}: {error}")),
        }
    }
    for (name, target) in &links {
        if fs::read_link(inside(&bin, name)?).ok().as_deref() != Some(Path::new(target)) {
            damaged.push(format!("{name}: not a link to {target}"));
        }
    }
    Ok(((sums.len() + links.len()) as u64, damaged))
}

/// Lines of two words.
fn list(path: &Path) -> Result<Vec<(String, String)>, Fault> {
    let text = fs::read_to_string(path).attempt(|| format!("{} could not be read", path.display()))?;
    let pair = |line: &str| {
        let (first, second) = line.split_once(char::is_whitespace)?;
        Some((first.to_owned(), second.trim_start_matches([' ', '*']).trim_end().to_owned()))
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let pairs: Option<Vec<_>> = lines.map(pair).collect();
    pairs.ok_or_else(|| failed(format!("{} has a line that is not two words", path.display())))
}

fn inside(bin: &Path, name: &str) -> Result<PathBuf, Fault> {
    let plain = !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != "..");
    if plain { Ok(bin.join(name)) } else { Err(failed(format!("`{name}` leads out of {}", bin.display()))) }
}

/// The names of the extracted versions in `data`, sorted.
pub(crate) fn hashes(data: &Path) -> Vec<String> {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_hash(name))
        .collect();
    names.sort_unstable();
    names
}

/// Which of the extracted versions in `data` a binary belongs to: its assets carry the hash as their name. For a
/// binary that extracts nothing because its version is there already.
pub(crate) fn hash_named_in(binary: &Path, data: &Path) -> Result<Option<String>, Fault> {
    let known = hashes(data);
    let bytes = fs::read(binary).attempt(|| format!("{} could not be read", binary.display()))?;
    let mut run: Vec<u8> = Vec::new();
    let mut found: Vec<String> = Vec::new();
    for &byte in bytes.iter().chain([&0]) {
        if byte.is_ascii_hexdigit() {
            run.push(byte);
            continue;
        }
        if run.len() == 64 {
            let name = String::from_utf8_lossy(&run).into_owned();
            if known.contains(&name) && !found.contains(&name) {
                found.push(name);
            }
        }
        run.clear();
    }
    match found.as_slice() {
        [one] => Ok(Some(one.clone())),
        _ => Ok(None),
    }
}

/// Makes everything on the file system of `path` durable.
pub(crate) fn sync_file_system(path: &Path) -> Result<(), Fault> {
    let what = || format!("the file system of {} could not be synced", path.display());
    rustix::fs::syncfs(&File::open(path).attempt(what)?).attempt(what)
}
