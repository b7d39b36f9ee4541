use super::{le_u16, le_u32, le_u64};

pub(super) const PAGE_HEADER: usize = 16;
/// Of a leaf's and of a branch's element.
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const IS_BUCKET: u32 = 0x01;

/// A page of a bbolt file with everything that overflows from it. Layout: bbolt `internal/common/page.go`.
#[derive(Clone, Debug)]
pub struct Page {
    pub(super) id: u64,
    flags: u16,
    count: u16,
    pub(super) bytes: Vec<u8>,
}

/// A key and its value, or the header of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub is_bucket: bool,
}

/// A page's elements.
pub(super) enum Node {
    Leaf(Vec<Leaf>),
    /// First key and page of each child.
    Branch(Vec<(Vec<u8>, u64)>),
}

/// One element of a page, where it lies.
pub(super) enum Part<'a> {
    /// Key and value.
    Leaf(&'a [u8], &'a [u8]),
    /// The page of a child.
    Child(u64),
}

impl Page {
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        Some(Self { id: le_u64(&bytes, 0)?, flags: le_u16(&bytes, 8)?, count: le_u16(&bytes, 10)?, bytes })
    }

    pub(super) fn header(id: u64, flags: u16, count: u16, overflow: u32) -> Vec<u8> {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend(flags.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(overflow.to_le_bytes());
        bytes
    }

    /// The elements; `None` when they do not fit into the page or it is of another kind.
    pub(super) fn node(&self) -> Option<Node> {
        match self.flags {
            LEAF => (0..usize::from(self.count)).map(|index| self.leaf(index)).collect::<Option<_>>().map(Node::Leaf),
            BRANCH if self.count > 0 => {
                (0..usize::from(self.count)).map(|index| self.child(index)).collect::<Option<_>>().map(Node::Branch)
            }
            _ => None,
        }
    }

    /// How many elements it has.
    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// One element of a plain bucket, not copied; `None` as for [`Page::node`].
    pub(super) fn part(&self, index: usize) -> Option<Part<'_>> {
        match self.flags {
            LEAF => self.pair(index).map(|(key, value, _)| Part::Leaf(key, value)),
            BRANCH => le_u64(&self.bytes, PAGE_HEADER + index * ELEMENT + 8).map(Part::Child),
            _ => None,
        }
    }

    fn pair(&self, index: usize) -> Option<(&[u8], &[u8], u32)> {
        let at = PAGE_HEADER + index * ELEMENT;
        let (flags, pos) = (le_u32(&self.bytes, at)?, le_u32(&self.bytes, at + 4)?);
        let (key, value) = (le_u32(&self.bytes, at + 8)?, le_u32(&self.bytes, at + 12)?);
        let (key, value) = (usize::try_from(key).ok()?, usize::try_from(value).ok()?);
        let from = at.checked_add(usize::try_from(pos).ok()?)?;
        let middle = from.checked_add(key)?;
        Some((self.bytes.get(from..middle)?, self.bytes.get(middle..middle.checked_add(value)?)?, flags))
    }

    fn leaf(&self, index: usize) -> Option<Leaf> {
        let (key, value, flags) = self.pair(index)?;
        Some(Leaf { key: key.to_vec(), value: value.to_vec(), is_bucket: flags & IS_BUCKET != 0 })
    }

    fn child(&self, index: usize) -> Option<(Vec<u8>, u64)> {
        let at = PAGE_HEADER + index * ELEMENT;
        let (pos, key) = (le_u32(&self.bytes, at)?, le_u32(&self.bytes, at + 4)?);
        let from = at.checked_add(usize::try_from(pos).ok()?)?;
        let key = self.bytes.get(from..from.checked_add(usize::try_from(key).ok()?)?)?;
        Some((key.to_vec(), le_u64(&self.bytes, at + 8)?))
    }

    /// The same branch with another page for one of its children.
    pub(super) fn with_child(&self, index: usize, child: u64) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        let at = PAGE_HEADER + index * ELEMENT + 8;
        bytes.get_mut(at..at + 8)?.copy_from_slice(&child.to_le_bytes());
        Some(bytes)
    }

    /// A leaf page of these elements, as long as they need; its number and length are set when it is placed.
    pub(super) fn of_leaves(leaves: &[Leaf]) -> Option<Vec<u8>> {
        let mut bytes = Self::header(0, LEAF, u16::try_from(leaves.len()).ok()?, 0);
        let mut data = Vec::new();
        let elements = leaves.len() * ELEMENT;
        for (index, leaf) in leaves.iter().enumerate() {
            // Counted from the element itself.
            let pos = elements - index * ELEMENT + data.len();
            bytes.extend((if leaf.is_bucket { IS_BUCKET } else { 0 }).to_le_bytes());
            for number in [pos, leaf.key.len(), leaf.value.len()] {
                bytes.extend(u32::try_from(number).ok()?.to_le_bytes());
            }
            data.extend_from_slice(&leaf.key);
            data.extend_from_slice(&leaf.value);
        }
        bytes.extend(data);
        Some(bytes)
    }
}
