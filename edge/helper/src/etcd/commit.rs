//! One transaction on a bbolt file that nobody has open, committed as bbolt itself does it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::bolt::{Bolt, BoltError, Bucket, Meta};
use super::page::{Leaf, Node, Page};

/// Sets keys of a small bucket. New pages go behind the last one, then the meta page that was not in force is written
/// over: until that one write the file is what it was, and a power cut in it leaves the other meta page. Replaced pages
/// are found by bbolt when it opens a file without a list of free pages, which is how etcd always has it.
///
/// # Errors
/// When the bucket is not there or not one leaf (etcd's `meta` has ten keys), or the file cannot be written.
pub(super) fn set(path: &Path, bucket: &[u8], entries: &[(&[u8], Vec<u8>)]) -> Result<(), BoltError> {
    let bolt = Bolt::open(path)?;
    // What cannot be read to its end must not get a page more.
    bolt.check()?;
    let mut new = Pages { next: bolt.meta.pages, size: bolt.meta.page_size, written: Vec::new() };
    let too_large = || bolt.damaged(bolt.meta.root, "is larger than can be written");
    // From the root down to the leaf that has the bucket.
    let mut branches: Vec<(Page, usize)> = Vec::new();
    let mut page = bolt.page(bolt.meta.root)?;
    let mut leaves = loop {
        match bolt.node(&page)? {
            Node::Leaf(leaves) => break leaves,
            Node::Branch(children) => {
                let index = children.iter().rposition(|(first, _)| first.as_slice() <= bucket);
                let found = index.and_then(|index| children.get(index).map(|(_, child)| (index, *child)));
                let (index, child) = found.ok_or_else(|| bolt.damaged(page.id, "has no way to the bucket"))?;
                if branches.len() > 32 {
                    return Err(bolt.damaged(page.id, "is deeper than a tree can be"));
                }
                branches.push((page, index));
                page = bolt.page(child)?;
            }
        }
    };
    let missing = || bolt.damaged(bolt.meta.root, "has no bucket of that name");
    let entry = leaves.iter_mut().find(|leaf| leaf.key == bucket).ok_or_else(missing)?;
    let inner = bolt.bucket_of(entry)?;
    let Node::Leaf(mut inside) = bolt.node(&bolt.first_page(&inner)?)? else { return Err(too_large()) };
    for (key, value) in entries {
        match inside.iter_mut().find(|leaf| leaf.key == *key) {
            Some(leaf) => leaf.value.clone_from(value),
            None => inside.push(Leaf { key: key.to_vec(), value: value.clone(), is_bucket: false }),
        }
    }
    inside.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let content = Page::of_leaves(&inside).ok_or_else(too_large)?;
    let sequence = entry.value.get(8..16).unwrap_or(&[0; 8]).to_vec();
    entry.value = match inner {
        Bucket::Inline(_) => [vec![0; 8], sequence, content].concat(),
        Bucket::Tree(_) => [new.place(content).to_le_bytes().to_vec(), sequence].concat(),
    };
    let mut child = new.place(Page::of_leaves(&leaves).ok_or_else(too_large)?);
    for (branch, index) in branches.iter().rev() {
        child = new.place(branch.with_child(*index, child).ok_or_else(too_large)?);
    }
    let txid = bolt.meta.txid.checked_add(1).ok_or_else(too_large)?;
    let meta = Meta { root: child, pages: new.next, txid, ..bolt.meta };
    let failed = |source| BoltError::Io { path: path.into(), doing: "written", source };
    let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    for (id, bytes) in &new.written {
        file.write_all_at(bytes, id * new.size).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    file.write_all_at(&meta.encode(), meta.txid % 2 * new.size).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Pages behind the last one.
struct Pages {
    next: u64,
    size: u64,
    written: Vec<(u64, Vec<u8>)>,
}

impl Pages {
    /// Gives a page its number and its length, and returns the number.
    fn place(&mut self, mut bytes: Vec<u8>) -> u64 {
        let id = self.next;
        let count = (bytes.len() as u64).div_ceil(self.size);
        bytes.resize(usize::try_from(count * self.size).unwrap_or(bytes.len()), 0);
        let overflow = u32::try_from(count.saturating_sub(1)).unwrap_or(0);
        for (place, with) in [(0..8, id.to_le_bytes().to_vec()), (12..16, overflow.to_le_bytes().to_vec())] {
            if let Some(header) = bytes.get_mut(place) {
                header.copy_from_slice(&with);
            }
        }
        self.next += count;
        self.written.push((id, bytes));
        id
    }
}
