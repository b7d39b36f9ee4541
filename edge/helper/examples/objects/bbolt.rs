//! A bbolt file as etcd leaves it: one bucket `key` of revisions in ascending order, and `meta` beside it.

use std::fs::File;
use std::io::{BufWriter, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;

const PAGE: usize = 4096;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;

type Element = (Vec<u8>, Vec<u8>, u32);

/// Writes keys that come in order.
pub struct Writer {
    file: BufWriter<File>,
    pages: u64,
    leaf: Vec<Element>,
    filled: usize,
    children: Vec<(Vec<u8>, u64)>,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&[0; 2 * PAGE])?;
        Ok(Self { file, pages: 2, leaf: Vec::new(), filled: HEADER, children: Vec::new() })
    }

    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        let size = ELEMENT + key.len() + value.len();
        // etcd fills pages to nine tenths.
        if !self.leaf.is_empty() && self.filled + size > PAGE * 9 / 10 {
            self.flush()?;
        }
        self.filled += size;
        self.leaf.push((key, value, 0));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let leaf = std::mem::take(&mut self.leaf);
        self.filled = HEADER;
        if let Some((first, _, _)) = leaf.first() {
            let first = first.clone();
            let id = self.page(LEAF, &elements(&leaf), leaf.len())?;
            self.children.push((first, id));
        }
        Ok(())
    }

    fn page(&mut self, flags: u16, content: &[u8], count: usize) -> Result<u64> {
        let id = self.pages;
        let length = (HEADER + content.len()).div_ceil(PAGE);
        let mut page = id.to_le_bytes().to_vec();
        page.extend(flags.to_le_bytes());
        page.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        page.extend(u32::try_from(length - 1).unwrap_or(0).to_le_bytes());
        page.extend_from_slice(content);
        page.resize(length * PAGE, 0);
        self.file.write_all(&page)?;
        self.pages += length as u64;
        Ok(id)
    }

    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let mut level = std::mem::take(&mut self.children);
        while level.len() > 1 {
            let mut above = Vec::new();
            for part in level.chunks(PAGE / (2 * ELEMENT + 2) - 1) {
                let id = self.page(BRANCH, &branch(part), part.len())?;
                above.push((part.first().map(|(key, _)| key.clone()).unwrap_or_default(), id));
            }
            level = above;
        }
        let root = level.first().map_or(0, |(_, id)| *id);
        let inline: Vec<Element> = vec![(b"consistent_index".to_vec(), 5_u64.to_be_bytes().to_vec(), 0)];
        let mut within = 0_u64.to_le_bytes().to_vec();
        within.extend(LEAF.to_le_bytes());
        within.extend(1_u16.to_le_bytes());
        within.extend([0; 4]);
        within.extend(elements(&inline));
        let header = |root: u64| [root.to_le_bytes(), [0; 8]].concat();
        let buckets: Vec<Element> =
            vec![(b"key".to_vec(), header(root), 1), (b"meta".to_vec(), [header(0), within].concat(), 1)];
        let top = self.page(LEAF, &elements(&buckets), buckets.len())?;
        for txid in [0_u64, 1] {
            self.file.seek(SeekFrom::Start(txid * PAGE as u64))?;
            let page = meta(txid, top, self.pages);
            self.file.write_all(&page)?;
        }
        self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    }
}

fn elements(leaf: &[Element]) -> Vec<u8> {
    let (mut heads, mut data) = (Vec::new(), Vec::new());
    for (index, (key, value, flags)) in leaf.iter().enumerate() {
        let position = (leaf.len() - index) * ELEMENT + data.len();
        heads.extend(flags.to_le_bytes());
        for number in [position, key.len(), value.len()] {
            heads.extend(u32::try_from(number).unwrap_or(0).to_le_bytes());
        }
        data.extend_from_slice(key);
        data.extend_from_slice(value);
    }
    heads.extend(data);
    heads
}

fn branch(part: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let (mut heads, mut data) = (Vec::new(), Vec::new());
    for (index, (key, child)) in part.iter().enumerate() {
        for number in [(part.len() - index) * ELEMENT + data.len(), key.len()] {
            heads.extend(u32::try_from(number).unwrap_or(0).to_le_bytes());
        }
        heads.extend(child.to_le_bytes());
        data.extend_from_slice(key);
    }
    heads.extend(data);
    heads
}

fn meta(txid: u64, root: u64, pages: u64) -> Vec<u8> {
    let mut meta = Vec::new();
    for number in [0xED0C_DAED_u32, 2, PAGE as u32, 0] {
        meta.extend(number.to_le_bytes());
    }
    for number in [root, 0, u64::MAX, pages, txid] {
        meta.extend(number.to_le_bytes());
    }
    let sum = meta
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    meta.extend(sum.to_le_bytes());
    let mut page = txid.to_le_bytes().to_vec();
    page.extend(4_u16.to_le_bytes());
    page.extend([0; 6]);
    page.extend(meta);
    page
}
