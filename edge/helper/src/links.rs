//! `data/current`, `data/previous` and `data/cni/*`: links that name the extracted version.
//!
//! K3s moves them only when it extracts (k3s-facts §2.2), so after an exchange of the binary they would go on naming
//! the other version. We move them as an extracting start would have.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use belay_facts::DataLink;
use belay_journal::durable;
use belay_wire::Fault;

use crate::fault::Attempt as _;
use crate::process::is_hash;

/// The links that are there, sorted by name; names relative to `data/`.
#[must_use]
pub fn data_links(data_dir: &Path) -> Vec<DataLink> {
    let data = data_dir.join("data");
    let cni = fs::read_dir(data.join("cni")).into_iter().flatten().flatten();
    let names = cni.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // A link that was about to be moved when somebody was killed is none.
    let names = names.filter(|name| !durable::is_cut_off(name)).map(|name| format!("cni/{name}"));
    let names = names.chain(["current".to_owned(), "previous".to_owned()]);
    let mut links: Vec<DataLink> = names
        .filter_map(|name| {
            let target = fs::read_link(data.join(&name)).ok()?.to_string_lossy().into_owned();
            Some(DataLink { name, target })
        })
        .collect();
    links.sort_unstable();
    links
}

/// The links as a start of the version in `data/<hash>` that has to extract would leave them.
#[must_use]
pub fn links_for(data_dir: &Path, hash: &str, now: &[DataLink]) -> Vec<DataLink> {
    let target = data_dir.join("data").join(hash).to_string_lossy().into_owned();
    let current = now.iter().find(|link| link.name == "current").map(|link| link.target.clone());
    let mut links: Vec<DataLink> = now
        .iter()
        .filter(|link| link.name.starts_with("cni/"))
        .map(|link| DataLink { name: link.name.clone(), target: with_hash(&link.target, hash) })
        .collect();
    let previous = match current {
        // It names this version already: K3s would not touch `previous` either.
        Some(current) if current == target => now.iter().find(|link| link.name == "previous").map(|l| l.target.clone()),
        current => current,
    };
    links.push(DataLink { name: "current".into(), target });
    links.extend(previous.map(|target| DataLink { name: "previous".into(), target }));
    links.sort_unstable();
    links
}

/// Makes the links as given, each one atomically, and all of them durable; one that is right already is not touched.
pub(crate) fn set_links(data_dir: &Path, links: &[DataLink]) -> Result<(), Fault> {
    let data = data_dir.join("data");
    let mut names = links.iter().map(|link| link.name.as_str()).chain(["previous"]);
    names
        .try_for_each(|name| durable::remove_cut_off(&data.join(name)))
        .attempt(|| format!("{} could not be tidied", data.display()))?;
    let moved = |link: &&DataLink| {
        fs::read_link(data.join(&link.name)).ok().as_deref().map(Path::as_os_str) != Some(OsStr::new(&link.target))
    };
    let moved: Vec<(PathBuf, &Path)> =
        links.iter().filter(moved).map(|link| (data.join(&link.name), Path::new(&link.target))).collect();
    durable::replace_links(&moved).attempt(|| format!("the links of {} could not be moved", data.display()))?;
    // A `previous` that was not there before is not left behind.
    if !links.iter().any(|link| link.name == "previous") && data.join("previous").is_symlink() {
        durable::remove(&data.join("previous")).attempt(|| "data/previous could not be removed")?;
    }
    Ok(())
}

/// `…/data/<other>/bin/cni` with the hash replaced.
fn with_hash(target: &str, hash: &str) -> String {
    target.split('/').map(|part| if is_hash(part) { hash } else { part }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_forward_and_back_as_an_extracting_start_moves_them() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        fs::create_dir_all(data.join("cni")).unwrap();
        std::os::unix::fs::symlink(data.join(&old), data.join("current")).unwrap();
        std::os::unix::fs::symlink(data.join(&old).join("bin/cni"), data.join("cni/bridge")).unwrap();
        let before = data_links(dir.path());
        assert_eq!(before.len(), 2);
        for _again in 0..2 {
            set_links(dir.path(), &links_for(dir.path(), &new, &data_links(dir.path()))).unwrap();
            let at = |name: &str| fs::read_link(data.join(name)).unwrap();
            assert_eq!(at("current"), data.join(&new));
            assert_eq!(at("previous"), data.join(&old));
            assert_eq!(at("cni/bridge"), data.join(&new).join("bin/cni"));
        }
        set_links(dir.path(), &before).unwrap();
        assert_eq!(data_links(dir.path()), before);
    }

    /// Found by `./dev crash`: killed between the making of a link and its rename, which would have made a `previous` that there
    /// had not been; the way back left it beside K3s' own links for ever.
    #[test]
    fn a_link_that_was_cut_off_is_none_and_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("cni")).unwrap();
        let link = |name: &str| std::os::unix::fs::symlink(data.join("a".repeat(64)), data.join(name)).unwrap();
        ["current", "cni/bridge"].into_iter().for_each(link);
        let before = data_links(dir.path());
        [".previous.belay-new", ".current.belay-new", "cni/.bridge.belay-new"].into_iter().for_each(link);
        assert_eq!(data_links(dir.path()), before);
        set_links(dir.path(), &before).unwrap();
        assert_eq!((fs::read_dir(&data).unwrap().count(), fs::read_dir(data.join("cni")).unwrap().count()), (2, 1));
    }
}
