use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use belay_facts::{DatastoreKind, Growth, Span};

use crate::datastore::{hot_file, stored_name};
use crate::inventory::snapshots;
use crate::{Installation, Places};

/// Less than a day says nothing: a cluster that was made this morning has grown from nothing.
const LEAST: i64 = 24 * 3600;

/// How the datastore has grown beyond the largest of the copies that are a day old: snapshots that K3s took (not compressed ones), and
/// backups of Belay's. A database that was defragmented grows back to its size of before, which is no growth.
pub(crate) fn growth(places: &Places, found: &Installation, kind: DatastoreKind) -> Option<Growth> {
    let backups = files(&places.state.join("backups")).into_iter().map(|dir| dir.join(stored_name(kind)));
    let mut copies: Vec<PathBuf> = backups.collect();
    if kind == DatastoreKind::Etcd {
        copies.extend(snapshots(found).into_iter().map(|snapshot| PathBuf::from(snapshot.path)));
    }
    between(&copies, &found.data_dir.join("server").join(hot_file(kind)))
}

fn between(copies: &[PathBuf], live: &Path) -> Option<Growth> {
    let now = regular(live)?;
    let age = |copy: &Metadata| now.mtime().saturating_sub(copy.mtime());
    let old = copies.iter().filter_map(|path| regular(path)).filter(|copy| age(copy) >= LEAST);
    let largest = old.max_by_key(|copy| (copy.len(), copy.mtime()))?;
    let over = age(&largest);
    let (now, then) = (i64::try_from(now.len()).ok()?, i64::try_from(largest.len()).ok()?);
    Some(Growth { bytes: now - then, over: Span::seconds(u64::try_from(over).ok()?) })
}

fn regular(path: &Path) -> Option<Metadata> {
    fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.len() > 0)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn it_is_measured_against_the_largest_copy_of_another_day() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let file = |name: &str, bytes: u64, hours: u64| {
            let path = dir.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_len(bytes).unwrap();
            file.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
            path
        };
        let live = file("db", 5000, 0);
        let (new, old, empty) = (file("new", 4500, 12), file("old", 1000, 48), file("empty", 0, 90));
        let older = file("older", 800, 72);
        assert_eq!(between(&[], &live), None);
        assert_eq!(between(&[file("this-morning", 1000, 9)], &live), None);
        let expected = Growth { bytes: 4000, over: Span::seconds(48 * 3600) };
        assert_eq!(between(&[new, older, old, empty, dir.path().to_path_buf()], &live), Some(expected));
        let before = between(&[file("before-the-defragmentation", 9000, 30)], &live).unwrap();
        assert_eq!((before.bytes, before.daily()), (-4000, 0));
    }
}
