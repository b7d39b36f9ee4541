use belay_objects::Newest;

use super::be_u64;
use super::bolt::{Bolt, BoltError, Bucket};
use super::message::{Field, Fields};
use super::page::{Page, Part};

/// Calls `each` with every live key of the store and its value, newest change first.
///
/// The bucket is keyed by revision: backwards, the first that is seen of a key is what it is now. So one pass is enough, and
/// nothing is kept but which keys were seen.
pub(super) fn each_live(bolt: &Bolt, keys: &Bucket, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), BoltError> {
    let mut newest = Newest::default();
    let mut walk = Walk { bolt, left: bolt.meta.pages, last: Vec::new(), spare: Vec::new(), ahead: Vec::new() };
    let first = bolt.first_page(keys)?;
    walk.page(&first, 0, &mut |place, record| {
        if be_u64(place, 0).is_none() || be_u64(place, 9).is_none() {
            return;
        }
        let (mut key, mut value) = (&b""[..], &b""[..]);
        for field in Fields::of(record) {
            match field {
                Field::Bytes(1, bytes) => key = bytes,
                Field::Bytes(5, bytes) => value = bytes,
                _ => {}
            }
        }
        // etcdutl's own way to raise a revision is a record without a key.
        if !key.is_empty() && newest.is_first(key) && place.get(17) != Some(&b't') {
            each(key, value);
        }
    })
}

/// A walk against the order: pages left that may still be read, and the last key seen.
struct Walk<'a> {
    bolt: &'a Bolt,
    left: u64,
    last: Vec<u8>,
    /// Room of a page that was read to its end.
    spare: Vec<u8>,
    /// By depth: children that lie one after the other in the file, and were read at once.
    ahead: Vec<Ahead>,
}

#[derive(Default)]
struct Ahead {
    first: u64,
    length: usize,
    bytes: Vec<u8>,
}

/// How many pages are read at once: a call of the kernel takes as long as copying a page does.
const AT_ONCE: u64 = 16;

impl Walk<'_> {
    fn page(&mut self, page: &Page, depth: usize, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), BoltError> {
        let spent = || self.bolt.damaged(page.id, "is part of a tree that goes in circles");
        self.left = self.left.checked_sub(1).ok_or_else(spent)?;
        if depth >= super::bolt::DEPTH {
            return Err(self.bolt.damaged(page.id, "is deeper than a tree can be"));
        }
        for index in (0..page.len()).rev() {
            let torn = || self.bolt.damaged(page.id, "has elements that do not fit into it");
            match page.part(index).ok_or_else(torn)? {
                Part::Child(child) => {
                    let child = self.child(page, index, child, depth)?;
                    self.page(&child, depth + 1, each)?;
                    self.spare = child.bytes;
                }
                Part::Leaf(key, value) => {
                    if !self.last.is_empty() && self.last.as_slice() <= key {
                        return Err(self.bolt.damaged(page.id, "has keys that are not in order"));
                    }
                    self.last.clear();
                    self.last.extend_from_slice(key);
                    each(key, value);
                }
            }
        }
        Ok(())
    }

    /// The page `id`, which is the child of `parent` at `index`; read together with those before it that lie before it.
    fn child(&mut self, parent: &Page, index: usize, id: u64, depth: usize) -> Result<Page, BoltError> {
        let size = self.bolt.meta.page_size;
        let room = std::mem::take(&mut self.spare);
        if self.ahead.len() <= depth {
            self.ahead.resize_with(depth + 1, Ahead::default);
        }
        let Some(ahead) = self.ahead.get_mut(depth) else { return self.bolt.page_into(id, room) };
        let mut begin = id.checked_sub(ahead.first).and_then(|pages| usize::try_from(pages.checked_mul(size)?).ok());
        if begin.is_none_or(|begin| begin >= ahead.length) {
            let lies_before = |back: &u64| {
                let child = usize::try_from(*back).ok().and_then(|back| parent.part(index.checked_sub(back)?));
                matches!(child, Some(Part::Child(child)) if child.checked_add(*back) == Some(id))
            };
            let run = (1..AT_ONCE).take_while(lies_before).count() as u64;
            if run == 0 {
                return self.bolt.page_into(id, room);
            }
            ahead.first = id - run;
            ahead.length = self.bolt.run(ahead.first, run + 1, &mut ahead.bytes)?;
            begin = usize::try_from(run * size).ok();
        }
        let bytes = begin.and_then(|begin| ahead.bytes.get(begin..begin + usize::try_from(size).ok()?));
        let mut content = room;
        content.clear();
        content.extend_from_slice(bytes.unwrap_or_default());
        self.bolt.whole(id, content)
    }
}
