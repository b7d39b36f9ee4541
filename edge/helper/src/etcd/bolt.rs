use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::page::{Leaf, Node, PAGE_HEADER, Page};
use super::{le_u32, le_u64};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes of a meta page that the checksum covers, and with the checksum.
const SUMMED: usize = 56;
pub(super) const META: usize = 64;
/// Deeper than any tree of 2^64 pages could be.
pub(super) const DEPTH: usize = 32;
/// etcd's largest value is some MiB; a page chain beyond this is damage, not data.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What was attempted on a bbolt file, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum BoltError {
    #[error("{path} could not be {doing}: {source}", path = .path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{path} is not a bbolt database: neither of its two meta pages is whole", path = .path.display())]
    Meta { path: PathBuf },
    #[error("{path} is damaged: page {page} {why}", path = .path.display())]
    Damaged { path: PathBuf, page: u64, why: &'static str },
    #[error("{path} was written while it was read", path = .path.display())]
    Written { path: PathBuf },
}

/// One of the two roots of a bbolt file; the one with the higher transaction is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub page_size: u64,
    pub root: u64,
    pub sequence: u64,
    /// Pages in use; the first that was never used.
    pub pages: u64,
    pub txid: u64,
}

impl Meta {
    /// From a meta page with its header. Layout: bbolt `internal/common/meta.go`; little endian, as on every
    /// architecture that K3s is built for but s390x.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let meta = bytes.get(PAGE_HEADER..PAGE_HEADER + META)?;
        let whole = le_u32(meta, 0)? == MAGIC
            && le_u32(meta, 4)? == VERSION
            && le_u64(meta, SUMMED)? == fnv(meta.get(..SUMMED)?);
        let page_size = u64::from(le_u32(meta, 8)?);
        (whole && (1024..=65536).contains(&page_size) && page_size.is_power_of_two()).then_some(Self {
            page_size,
            root: le_u64(meta, 16)?,
            sequence: le_u64(meta, 24)?,
            pages: le_u64(meta, 40)?,
            txid: le_u64(meta, 48)?,
        })
    }

    /// The bytes of its page, without a list of free pages: bbolt then finds them itself when it opens the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut page = Page::header(self.txid % 2, 0x04, 0, 0);
        let mut meta = Vec::new();
        meta.extend(MAGIC.to_le_bytes());
        meta.extend(VERSION.to_le_bytes());
        meta.extend(u32::try_from(self.page_size).unwrap_or(4096).to_le_bytes());
        meta.extend(0_u32.to_le_bytes());
        for number in [self.root, self.sequence, u64::MAX, self.pages, self.txid] {
            meta.extend(number.to_le_bytes());
        }
        let sum = fnv(&meta);
        meta.extend(sum.to_le_bytes());
        page.extend(meta);
        page
    }
}

/// FNV-1a with 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Makes the sums of the meta pages hold, wherever one is, so that the fuzzer gets past them.
#[cfg(feature = "fuzzing")]
pub(crate) fn seal(bytes: &mut [u8]) {
    for at in std::iter::once(0).chain((10..=16).map(|bit| 1_usize << bit)) {
        let Some(meta) = bytes.get_mut(at + PAGE_HEADER..at + PAGE_HEADER + META) else { return };
        if le_u32(meta, 0) == Some(MAGIC) {
            let sum = fnv(meta.get(..SUMMED).unwrap_or_default());
            meta.iter_mut().skip(SUMMED).zip(sum.to_le_bytes()).for_each(|(to, byte)| *to = byte);
        }
    }
}

/// A bucket: a tree of its own, or so small that it lies within its parent's leaf.
#[derive(Clone, Debug)]
pub enum Bucket {
    Tree(u64),
    Inline(Page),
}

/// A bbolt file as it was at one transaction, for reading only.
///
/// Bounded on any content: what does not fit is [`BoltError::Damaged`], never a panic, and no page is read twice in a
/// walk. It takes no lock, so it can be read beside its owner; ask [`Bolt::unchanged`] afterwards.
#[derive(Debug)]
pub struct Bolt {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) meta: Meta,
    length: u64,
}

impl Bolt {
    /// Opens for reading.
    ///
    /// # Errors
    /// When it cannot be read or is no bbolt file.
    pub fn open(path: &Path) -> Result<Self, BoltError> {
        let failed = |source| BoltError::Io { path: path.into(), doing: "opened", source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let meta = latest_meta(&file, path)?;
        Ok(Self { file, path: path.into(), meta, length })
    }

    /// Whether no transaction was committed since it was opened. bbolt does not reuse a page of a transaction before
    /// the one after the next: what was read until now is then of one moment.
    ///
    /// # Errors
    /// When it was written, or cannot be read any more.
    pub fn unchanged(&self) -> Result<(), BoltError> {
        match latest_meta(&self.file, &self.path)? == self.meta {
            true => Ok(()),
            false => Err(BoltError::Written { path: self.path.clone() }),
        }
    }

    pub(super) fn damaged(&self, page: u64, why: &'static str) -> BoltError {
        BoltError::Damaged { path: self.path.clone(), page, why }
    }

    /// The bucket that holds all others.
    #[must_use]
    pub fn root(&self) -> Bucket {
        Bucket::Tree(self.meta.root)
    }

    pub(super) fn page(&self, id: u64) -> Result<Page, BoltError> {
        self.page_into(id, Vec::new())
    }

    /// The same in the room of a page that nobody needs any more.
    pub(super) fn page_into(&self, id: u64, mut room: Vec<u8>) -> Result<Page, BoltError> {
        let length = self.run(id, 1, &mut room)?;
        room.truncate(length);
        self.whole(id, room)
    }

    /// Fills the begin of `room` with `count` pages that follow each other; how many bytes that is.
    pub(super) fn run(&self, first: u64, count: u64, room: &mut Vec<u8>) -> Result<usize, BoltError> {
        let size = self.meta.page_size;
        if first < 2 || first.saturating_add(count) > self.meta.pages {
            return Err(self.damaged(first, "is not one of the pages in use"));
        }
        let (at, bytes) = (first.saturating_mul(size), count.saturating_mul(size));
        if bytes > LARGEST || at.saturating_add(bytes) > self.length {
            return Err(self.damaged(first, "lies behind the end of the file"));
        }
        let length = usize::try_from(bytes).unwrap_or(0);
        // What was there is written over: only what is new has to be made.
        if room.len() < length {
            room.resize(length, 0);
        }
        self.read(room.get_mut(..length).unwrap_or_default(), at)?;
        Ok(length)
    }

    /// The page that begins with `content`, with everything that overflows from it.
    pub(super) fn whole(&self, id: u64, mut content: Vec<u8>) -> Result<Page, BoltError> {
        let size = self.meta.page_size;
        let more = u64::from(le_u32(&content, 12).unwrap_or(0));
        if more > 0 {
            let (at, bytes) = (id.saturating_mul(size), more.saturating_add(1).saturating_mul(size));
            if id.saturating_add(more) >= self.meta.pages || bytes > LARGEST || at.saturating_add(bytes) > self.length {
                return Err(self.damaged(id, "is longer than the file"));
            }
            content.resize(usize::try_from(bytes).unwrap_or(0), 0);
            self.read(content.get_mut(usize::try_from(size).unwrap_or(0)..).unwrap_or_default(), at + size)?;
        }
        let page = Page::parse(content).ok_or_else(|| self.damaged(id, "has no header"))?;
        if page.id != id {
            return Err(self.damaged(id, "says that it is another one"));
        }
        Ok(page)
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), BoltError> {
        let failed = |source| BoltError::Io { path: self.path.clone(), doing: "read", source };
        self.file.read_exact_at(bytes, at).map_err(failed)
    }

    /// The bucket of that name within the root; `None` when there is none.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>, BoltError> {
        let Some(leaf) = self.find(&self.root(), name)? else { return Ok(None) };
        self.bucket_of(&leaf).map(Some)
    }

    pub(super) fn bucket_of(&self, leaf: &Leaf) -> Result<Bucket, BoltError> {
        let damaged = |why| self.damaged(self.meta.root, why);
        if !leaf.is_bucket {
            return Err(damaged("has a plain value where a bucket should be"));
        }
        match le_u64(&leaf.value, 0).ok_or_else(|| damaged("has a bucket that is too short"))? {
            0 => {
                let inner = leaf.value.get(16..).map(<[u8]>::to_vec).and_then(Page::parse);
                inner.map(Bucket::Inline).ok_or_else(|| damaged("has a bucket without a page"))
            }
            root => Ok(Bucket::Tree(root)),
        }
    }

    /// The value of a key; `None` when it is not there.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn get(&self, bucket: &Bucket, key: &[u8]) -> Result<Option<Vec<u8>>, BoltError> {
        Ok(self.find(bucket, key)?.filter(|leaf| !leaf.is_bucket).map(|leaf| leaf.value))
    }

    fn find(&self, bucket: &Bucket, key: &[u8]) -> Result<Option<Leaf>, BoltError> {
        let mut page = self.first_page(bucket)?;
        for _ in 0..DEPTH {
            match self.node(&page)? {
                Node::Leaf(leaves) => return Ok(leaves.into_iter().find(|leaf| leaf.key == key)),
                Node::Branch(children) => {
                    let Some(child) = children.iter().rev().find(|(first, _)| first.as_slice() <= key) else {
                        return Ok(None);
                    };
                    page = self.page(child.1)?;
                }
            }
        }
        Err(self.damaged(page.id, "is deeper than a tree can be"))
    }

    /// The highest key of a bucket.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn last_key(&self, bucket: &Bucket) -> Result<Option<Vec<u8>>, BoltError> {
        let mut page = self.first_page(bucket)?;
        for _ in 0..DEPTH {
            match self.node(&page)? {
                Node::Leaf(leaves) => return Ok(leaves.into_iter().last().map(|leaf| leaf.key)),
                Node::Branch(children) => {
                    let child = children.last().ok_or_else(|| self.damaged(page.id, "is a branch without leaves"))?;
                    page = self.page(child.1)?;
                }
            }
        }
        Err(self.damaged(page.id, "is deeper than a tree can be"))
    }

    /// Calls `each` with every key and value of a bucket in ascending order, and checks every page on the way.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read to its end.
    pub fn walk(&self, bucket: &Bucket, each: &mut dyn FnMut(&Leaf)) -> Result<(), BoltError> {
        let mut walk = Walk { bolt: self, left: self.meta.pages, last: None, each };
        let page = self.first_page(bucket)?;
        walk.page(&page, 0)
    }

    /// Reads every page that can be reached and checks it; the number of keys in plain buckets.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read to its end.
    pub fn check(&self) -> Result<u64, BoltError> {
        // bbolt makes a file longer before it uses a page of it.
        let end = self.meta.pages.checked_mul(self.meta.page_size);
        if end.is_none_or(|end| end > self.length) {
            return Err(self.damaged(self.meta.pages, "would be the next one, and lies behind the end of the file"));
        }
        let (mut keys, mut buckets) = (0, Vec::new());
        self.walk(&self.root(), &mut |leaf| buckets.push(leaf.clone()))?;
        for leaf in &buckets {
            self.walk(&self.bucket_of(leaf)?, &mut |_| keys += 1)?;
        }
        Ok(keys)
    }

    pub(super) fn first_page(&self, bucket: &Bucket) -> Result<Page, BoltError> {
        match bucket {
            Bucket::Tree(root) => self.page(*root),
            Bucket::Inline(page) => Ok(page.clone()),
        }
    }

    pub(super) fn node(&self, page: &Page) -> Result<Node, BoltError> {
        page.node().ok_or_else(|| self.damaged(page.id, "has elements that do not fit into it"))
    }
}

/// A walk in order: pages left that may still be read, and the last key seen.
struct Walk<'a> {
    bolt: &'a Bolt,
    left: u64,
    last: Option<Vec<u8>>,
    each: &'a mut dyn FnMut(&Leaf),
}

impl Walk<'_> {
    fn page(&mut self, page: &Page, depth: usize) -> Result<(), BoltError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.bolt.damaged(page.id, "is reached twice"))?;
        if depth > DEPTH {
            return Err(self.bolt.damaged(page.id, "is deeper than a tree can be"));
        }
        match self.bolt.node(page)? {
            Node::Branch(children) => {
                for (_, child) in children {
                    self.page(&self.bolt.page(child)?, depth + 1)?;
                }
            }
            Node::Leaf(leaves) => {
                for leaf in leaves {
                    if self.last.as_ref().is_some_and(|last| *last >= leaf.key) {
                        return Err(self.bolt.damaged(page.id, "has keys that are not in order"));
                    }
                    (self.each)(&leaf);
                    self.last = Some(leaf.key);
                }
            }
        }
        Ok(())
    }
}

fn latest_meta(file: &File, path: &Path) -> Result<Meta, BoltError> {
    let at = |offset: u64| {
        let mut bytes = [0; PAGE_HEADER + META];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Meta::parse(&bytes)
    };
    // Where the first one is torn, nobody says how long a page is.
    let first = at(0);
    let sizes = first.map_or_else(|| (10..=16).map(|bit| 1_u64 << bit).collect(), |meta| vec![meta.page_size]);
    let second = sizes.into_iter().find_map(|size| at(size).filter(|meta| meta.page_size == size));
    first.into_iter().chain(second).max_by_key(|meta| meta.txid).ok_or_else(|| BoltError::Meta { path: path.into() })
}
