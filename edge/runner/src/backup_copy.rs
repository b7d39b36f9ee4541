//! The copy of a node's backup on the coordinator: with the node on another machine it is a second copy, off the node,
//! and it is there before anything is stopped (design.md §10, invariant I8).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use belay_engine::{Fault, FaultKind};
use belay_facts::{Digest, Span};
use belay_journal::durable;
use belay_wire::BackupReceipt;
use serde_json::Value;

use crate::book::Book;
use crate::session::{Session, fault};
use crate::vault::digest_of;

/// For one file; the largest is the binary, and K3s runs meanwhile.
const FETCH: Span = Span::seconds(1800);
/// Says what the copy is; not listed in it, because it is written with it.
const RECEIPT: &str = "receipt.json";
const MANIFEST: &str = "manifest.json";

/// Brings the proven backup of the run to `to` and holds every byte against its receipt. A copy that is whole is left as
/// it is; one that is not is made anew.
pub(crate) async fn copy(
    session: &mut Session,
    receipt: &BackupReceipt,
    to: &Path,
    book: &Book,
) -> Result<Value, Fault> {
    if !to.exists() {
        let partial = to.with_extension("partial");
        take(session, receipt, &partial, book).await?;
        durable::rename(&partial, to).map_err(failed("complete", to))?;
    }
    let bytes: u64 = walk(to).map_err(failed("read", to))?.values().sum();
    Ok(serde_json::json!({ "path": to.display().to_string(), "bytes": bytes }))
}

async fn take(session: &mut Session, receipt: &BackupReceipt, to: &Path, book: &Book) -> Result<(), Fault> {
    durable::remove_tree(to).map_err(failed("clear", to))?;
    durable::create_dir(to, 0o700).map_err(failed("create", to))?;
    let run = session.run.clone();
    let listing = session.link.backup(&run).await.map_err(|error| fault(&error))?;
    let total: u64 = listing.files.iter().map(|(_, size)| size).sum();
    let mut done = 0;
    for (name, _) in &listing.files {
        let path = below(to, name)?;
        book.progress("copying the backup off the node", done, total);
        done += session.link.fetch(&run, name, &path, FETCH).await.map_err(|error| fault(&error))?;
    }
    for (name, target) in &listing.links {
        let path = below(to, name)?;
        std::os::unix::fs::symlink(target, &path).map_err(failed("write", &path))?;
    }
    let at = to.to_path_buf();
    let digests = tokio::task::spawn_blocking(move || digests(&at)).await;
    let digests = digests.map_err(std::io::Error::other).and_then(|read| read).map_err(failed("read", to))?;
    ensure_is(receipt, &digests).map_err(|why| {
        let message = format!("the copy of the backup at {} is not what was proven on the node: {why}", to.display());
        Fault { kind: FaultKind::Failed, message, hint: None }
    })
}

/// Every file of the receipt, its datastore, and nothing else but what describes them.
fn ensure_is(receipt: &BackupReceipt, copied: &BTreeMap<String, Digest>) -> Result<(), String> {
    let mut rest = copied.clone();
    rest.remove(RECEIPT);
    rest.remove(MANIFEST);
    for (name, digest) in &receipt.files {
        match rest.remove(name) {
            Some(is) if is == *digest => {}
            Some(_) => return Err(format!("{name} differs")),
            None => return Err(format!("{name} is missing")),
        }
    }
    match rest.into_iter().collect::<Vec<_>>().as_slice() {
        [(_, digest)] if *digest == receipt.digest => Ok(()),
        [(name, _)] => Err(format!("{name} differs")),
        [] => Err("the datastore is missing".to_owned()),
        more => Err(format!("it holds {} files more", more.len() - 1)),
    }
}

/// A place in the copy for a name that the node said: below it and nowhere else, its directory made.
fn below(root: &Path, name: &str) -> Result<PathBuf, Fault> {
    if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        let message = format!("the node names `{name}` as a file of its backup, which leads elsewhere");
        return Err(Fault { kind: FaultKind::Failed, message, hint: None });
    }
    let path = root.join(name);
    if let Some(dir) = path.parent() {
        // Never through a link that an earlier name made: links are made after all files.
        durable::create_dir(dir, 0o700).map_err(failed("create", dir))?;
    }
    Ok(path)
}

fn digests(root: &Path) -> std::io::Result<BTreeMap<String, Digest>> {
    walk(root)?.into_keys().map(|name| Ok((name.clone(), digest_of(&root.join(name))?.0))).collect()
}

/// Relative path and size of every regular file.
fn walk(root: &Path) -> std::io::Result<BTreeMap<String, u64>> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                todo.push(entry.path());
            } else if meta.is_file() {
                let path = entry.path();
                found.insert(path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned(), meta.len());
            }
        }
    }
    Ok(found)
}

fn failed(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Fault + use<> {
    let attempted = format!("could not {what} the copy of the backup at {}", path.display());
    move |error| {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => FaultKind::Space,
            _ => FaultKind::Failed,
        };
        Fault { kind, message: format!("{attempted}: {error}"), hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> BackupReceipt {
        BackupReceipt {
            path: "/var/lib/belay/node/backups/r".into(),
            kind: belay_facts::DatastoreKind::Sqlite,
            taken_at_unix: 0,
            size: 1,
            digest: Digest::of(b"datastore"),
            integrity: "ok".into(),
            revision: 1,
            keys: 1,
            root: Digest::of(b"root"),
            files: vec![("files/token".into(), Digest::of(b"token"))],
            level: "readable".into(),
        }
    }

    #[test]
    fn a_copy_is_what_its_receipt_says_or_is_refused() {
        let whole: BTreeMap<String, Digest> = [
            ("files/token".to_owned(), Digest::of(b"token")),
            ("datastore/state.db".to_owned(), Digest::of(b"datastore")),
            (RECEIPT.to_owned(), Digest::of(b"any")),
            (MANIFEST.to_owned(), Digest::of(b"any")),
        ]
        .into();
        assert_eq!(ensure_is(&receipt(), &whole), Ok(()));
        let changed = |act: &dyn Fn(&mut BTreeMap<String, Digest>)| {
            let mut copy = whole.clone();
            act(&mut copy);
            ensure_is(&receipt(), &copy)
        };
        assert!(changed(&|copy| _ = copy.remove("files/token")).is_err());
        assert!(changed(&|copy| _ = copy.insert("files/token".into(), Digest::of(b"other"))).is_err());
        assert!(changed(&|copy| _ = copy.remove("datastore/state.db")).is_err());
        assert!(changed(&|copy| _ = copy.insert("datastore/state.db".into(), Digest::of(b"cut"))).is_err());
        assert!(changed(&|copy| _ = copy.insert("files/more".into(), Digest::of(b"more"))).is_err());
    }

    #[test]
    fn a_node_cannot_name_a_file_outside_the_copy() {
        let root = tempfile::tempdir().unwrap();
        for name in ["", "../x", "/etc/passwd", "a/../../x"] {
            assert!(below(root.path(), name).is_err(), "{name}");
        }
        assert!(below(root.path(), "files/etc/x").unwrap().starts_with(root.path()));
    }
}
