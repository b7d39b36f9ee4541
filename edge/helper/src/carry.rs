//! What the user put into `server/` while the abandoned version ran, and does not lose with it.

use std::fs;
use std::path::Path;

use belay_journal::durable;
use belay_wire::Fault;

use crate::backup::digests;
use crate::fault::Attempt as _;
use crate::tree;

/// Manifests that K3s writes at every start (k3s-facts §1.8, captures `tree`); the version that starts writes its own.
const STAGED: [&str; 6] =
    ["ccm.yaml", "coredns.yaml", "local-storage.yaml", "rolebindings.yaml", "runtimes.yaml", "traefik.yaml"];

/// Names relative to `server/`, sorted: the user's manifests that are new or changed, and snapshots made since.
pub(crate) fn to_carry(abandoned: &Path, kept: &Path) -> Result<Vec<String>, Fault> {
    let mut carry = Vec::new();
    let (new, old) = (digests(&abandoned.join("manifests"))?, digests(&kept.join("manifests"))?);
    for (name, digest) in new {
        let staged = STAGED.contains(&name.as_str()) || name.starts_with("metrics-server/");
        if !staged && old.get(&name) != Some(&digest) {
            carry.push(format!("manifests/{name}"));
        }
    }
    for dir in ["db/snapshots", "db/.metadata"] {
        for entry in fs::read_dir(abandoned.join(dir)).into_iter().flatten().flatten() {
            let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && !kept.join(&name).exists() {
                carry.push(name);
            }
        }
    }
    carry.sort_unstable();
    Ok(carry)
}

/// Copies (snapshots: links) the named files. Done again, it finds them the same.
pub(crate) fn carry_over(abandoned: &Path, kept: &Path, names: &[String]) -> Result<(), Fault> {
    for name in names {
        let (from, to) = (abandoned.join(name), kept.join(name));
        let what = || format!("{} could not be carried over", from.display());
        // Hard links of an earlier try, or the older content: either way the name is made again.
        durable::remove(&to).attempt(what)?;
        if let Some(parent) = to.parent() {
            durable::create_dir(parent, 0o700).attempt(what)?;
        }
        if name.starts_with("db/") {
            fs::hard_link(&from, &to).attempt(what)?;
        } else {
            tree::copy_file(&from, &to).attempt(what)?;
            fs::File::open(&to).and_then(|file| file.sync_all()).attempt(what)?;
        }
        durable::sync_parent(&to).attempt(what)?;
    }
    Ok(())
}
