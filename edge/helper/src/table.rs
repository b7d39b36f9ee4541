use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes that are read at once, and how many such blocks are kept: a table that was only ever added to lies in order, and one
/// that was not costs a block for a page.
const BLOCK: usize = 64 * 1024;
const KEPT: usize = 16;
/// A tree of the largest file that SQLite allows is less deep.
const DEEPEST: u32 = 20;
/// A row of kine holds two versions of an object, and etcd's limit for one is 1.5 MiB; more is damage.
const LARGEST: usize = 64 * 1024 * 1024;

/// Why a table could not be read from its file.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("page {page} could not be read: {source}")]
    Read { page: u32, source: io::Error },
    #[error("page {page} is damaged: {what}")]
    Damaged { page: u32, what: &'static str },
}

/// Three columns of a row: text or a blob, a number, a blob.
pub struct Columns {
    pub name: usize,
    pub deleted: usize,
    pub value: usize,
}

/// One table of a SQLite file that nobody writes, read without SQLite: a pass over all rows takes half of the time, since what
/// nobody asks for is not copied. The format: <https://sqlite.org/fileformat2.html>.
pub struct Table {
    blocks: Blocks,
    /// Bytes of a page without what is reserved at its end.
    usable: usize,
    root: u32,
    /// How many pages may still be visited: links that lead in circles end.
    left: u64,
}

impl Table {
    /// `None` where the file may be written to meanwhile or has changes beside it (write-ahead log, journal to be rolled back), or
    /// is not as SQLite makes it for kine: then SQLite has to read it.
    #[must_use]
    pub fn still(path: &Path, root: u32) -> Option<Self> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name).symlink_metadata().is_ok()
        };
        if beside("-wal") || beside("-journal") {
            return None;
        }
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut head = [0; 100];
        file.read_exact_at(&mut head, 0).ok()?;
        let size = match number(&head, 16, 2)? {
            1 => 65_536,
            size => size,
        };
        let (versions, reserved, encoding) = (number(&head, 18, 2)?, number(&head, 20, 1)?, number(&head, 56, 4)?);
        // Versions: 1 of both, which is no write-ahead log. Encoding 1: UTF-8.
        let is_plain = head.starts_with(b"SQLite format 3\0") && versions == 0x0101 && encoding == 1;
        if !is_plain || !size.is_power_of_two() || !(512..=65_536).contains(&size) || reserved > 64 {
            return None;
        }
        let usable = usize::try_from(size - reserved).ok()?;
        Some(Self { blocks: Blocks::new(file, size), usable, root, left: length / size + 1 })
    }

    /// Calls `wanted` with the name of every row, highest row first, and with `true` from it `each` with name and value
    /// of those whose `deleted` is 0.
    ///
    /// # Errors
    /// When it cannot be read to its end, or is damaged.
    pub fn each_backwards(
        &mut self,
        columns: &Columns,
        wanted: &mut dyn FnMut(&[u8]) -> bool,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), TableError> {
        let mut row = Vec::new();
        let mut visit = |table: &mut Self, page: u32, index: usize| {
            let damaged = |what| TableError::Damaged { page, what };
            let mut chain = table.begin(&mut row, page, index)?;
            let (head, _) = varint(&row, 0).ok_or(damaged("a row has no head"))?;
            let head = usize::try_from(head).map_err(|_| damaged("the head of a row has no end"))?;
            table.fill(&mut row, head, &mut chain, page)?;
            let at = |column| place(&row, head, column).ok_or(damaged("the head of a row is cut"));
            let (name, deleted, value) = (at(columns.name)?, at(columns.deleted)?, at(columns.value)?);
            table.fill(&mut row, name.end().max(deleted.end()), &mut chain, page)?;
            let outside = || damaged("a column lies outside of its row");
            let is_live = deleted.is_zero(&row).ok_or_else(outside)?;
            if !wanted(name.bytes(&row).ok_or_else(outside)?) || !is_live {
                return Ok(());
            }
            table.fill(&mut row, value.end(), &mut chain, page)?;
            each(name.bytes(&row).ok_or_else(outside)?, value.bytes(&row).ok_or_else(outside)?);
            Ok(())
        };
        self.descend(self.root, 0, &mut visit)
    }

    fn descend(&mut self, page: u32, depth: u32, visit: &mut Visit<'_>) -> Result<(), TableError> {
        let damaged = |what| TableError::Damaged { page, what };
        if depth > DEEPEST {
            return Err(damaged("its tree has no leaves"));
        }
        let cut = || damaged("it is cut");
        let bytes = self.page(page)?;
        let (kind, cells, first) = head(bytes, page).ok_or_else(cut)?;
        match kind {
            LEAF => {
                for index in (0..cells).rev() {
                    visit(self, page, index)?;
                }
            }
            INNER => {
                // Kept, since its block is read over while its leaves are visited.
                let bytes = bytes.to_vec();
                let last = number(&bytes, first - 4, 4).and_then(page_number).ok_or_else(cut)?;
                self.descend(last, depth + 1, visit)?;
                for index in (0..cells).rev() {
                    let child =
                        cell_at(&bytes, first, index).and_then(|at| number(&bytes, at, 4)).and_then(page_number);
                    self.descend(child.ok_or_else(cut)?, depth + 1, visit)?;
                }
            }
            _ => return Err(damaged("it is no page of a table")),
        }
        Ok(())
    }

    /// Reads as much of a row as its leaf holds. A row there is its length, its number, its first bytes, and where the rest is.
    fn begin(&mut self, row: &mut Vec<u8>, page: u32, index: usize) -> Result<Chain, TableError> {
        let usable = self.usable;
        // Not counted as a visit: it is a look at the page that is visited.
        let bytes = self.blocks.page(page)?;
        let read = || {
            let (_, _, first) = head(bytes, page)?;
            let (total, after) = varint(bytes, cell_at(bytes, first, index)?)?;
            let (_, after) = varint(bytes, after)?;
            let total = usize::try_from(total).ok().filter(|total| *total <= LARGEST)?;
            let most = usable - 35;
            if total <= most {
                return Some((bytes.get(after..after.checked_add(total)?)?, Chain { next: 0, total }));
            }
            let least = (usable - 12) * 32 / 255 - 23;
            let held = least + (total - least) % (usable - 4);
            let held = if held <= most { held } else { least };
            let next = page_number(number(bytes, after + held, 4)?)?;
            Some((bytes.get(after..after + held)?, Chain { next, total }))
        };
        let (held, chain) = read().ok_or(TableError::Damaged { page, what: "a row of it is cut" })?;
        row.clear();
        row.extend_from_slice(held);
        Ok(chain)
    }

    /// Makes at least so many bytes of a row known.
    fn fill(&mut self, row: &mut Vec<u8>, upto: usize, chain: &mut Chain, page: u32) -> Result<(), TableError> {
        let damaged = |what| TableError::Damaged { page, what };
        if upto > chain.total {
            return Err(damaged("a row is shorter than its head says"));
        }
        while row.len() < upto {
            if chain.next == 0 {
                return Err(damaged("the rest of a row is not there"));
            }
            let usable = self.usable;
            let more = self.page(chain.next)?;
            let next = number(more, 0, 4).and_then(|next| u32::try_from(next).ok());
            let here = (chain.total - row.len()).min(usable - 4);
            let held = more.get(4..4 + here).zip(next);
            let (held, next) = held.ok_or(damaged("the rest of a row is cut"))?;
            row.extend_from_slice(held);
            chain.next = next;
        }
        Ok(())
    }

    fn page(&mut self, page: u32) -> Result<&[u8], TableError> {
        self.left = self.left.checked_sub(1).ok_or(TableError::Damaged { page, what: "it is met a second time" })?;
        self.blocks.page(page)
    }
}

const LEAF: u64 = 0x0d;
const INNER: u64 = 0x05;

type Visit<'v> = dyn FnMut(&mut Table, u32, usize) -> Result<(), TableError> + 'v;

/// What of a row is not read yet.
struct Chain {
    /// The next page of it; 0 when there is none.
    next: u32,
    /// Bytes of the whole row.
    total: usize,
}

/// Kind, number of cells, and where their places are listed.
fn head(bytes: &[u8], page: u32) -> Option<(u64, usize, usize)> {
    // The first page of a file begins with the head of the file.
    let at = if page == 1 { 100 } else { 0 };
    let (kind, cells) = (number(bytes, at, 1)?, number(bytes, at + 3, 2)?);
    Some((kind, usize::try_from(cells).ok()?, at + if kind == INNER { 12 } else { 8 }))
}

fn cell_at(bytes: &[u8], first: usize, index: usize) -> Option<usize> {
    usize::try_from(number(bytes, first + 2 * index, 2)?).ok()
}

/// Where a column lies in its row, and as what.
struct Place {
    from: usize,
    length: usize,
    kind: u64,
}

impl Place {
    fn end(&self) -> usize {
        self.from.saturating_add(self.length)
    }

    fn bytes<'r>(&self, row: &'r [u8]) -> Option<&'r [u8]> {
        // Nothing of what is no text and no blob.
        if self.kind < 12 { Some(&[]) } else { row.get(self.from..self.end()) }
    }

    fn is_zero(&self, row: &[u8]) -> Option<bool> {
        match self.kind {
            8 => Some(true),
            1..=6 => Some(row.get(self.from..self.end())?.iter().all(|byte| *byte == 0)),
            _ => Some(false),
        }
    }
}

/// Where the head of a row says that a column lies. A column that came later is not in older rows, and is empty.
fn place(row: &[u8], head: usize, column: usize) -> Option<Place> {
    let (_, mut at) = varint(row, 0)?;
    let mut from = head;
    for index in 0.. {
        if at >= head {
            break;
        }
        let (kind, after) = varint(row, at)?;
        let length = match kind {
            0 | 8..=11 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        if index == column {
            return Some(Place { from, length, kind });
        }
        from = from.checked_add(length)?;
        at = after;
    }
    Some(Place { from: 0, length: 0, kind: 0 })
}

/// Big-endian, of so many bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn page_number(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|page| *page > 0)
}

/// A number of one to nine bytes and where it ends.
fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for index in 0..9 {
        let byte = *bytes.get(at)?;
        at += 1;
        if index == 8 {
            return Some((number << 8 | u64::from(byte), at));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((number, at))
}

/// The last blocks of a file that were read.
struct Blocks {
    file: File,
    page: u64,
    /// Which block lies in each place, and how much of it the file has.
    kept: Vec<Option<(u64, Vec<u8>)>>,
}

impl Blocks {
    fn new(file: File, page: u64) -> Self {
        Self { file, page, kept: (0..KEPT).map(|_| None).collect() }
    }

    fn page(&mut self, page: u32) -> Result<&[u8], TableError> {
        let damaged = TableError::Damaged { page, what: "the file ends before it" };
        let Some(before) = page.checked_sub(1) else { return Err(damaged) };
        let from = u64::from(before) * self.page;
        let (block, within) = (from / BLOCK as u64, from % BLOCK as u64);
        let index = usize::try_from(block % KEPT as u64).unwrap_or_default();
        let Some(place) = self.kept.get_mut(index) else { return Err(damaged) };
        if place.as_ref().is_none_or(|(kept, _)| *kept != block) {
            let mut bytes = place.take().map_or_else(Vec::new, |(_, bytes)| bytes);
            bytes.resize(BLOCK, 0);
            let read = read_up_to(&self.file, &mut bytes, block * BLOCK as u64);
            bytes.truncate(read.map_err(|source| TableError::Read { page, source })?);
            *place = Some((block, bytes));
        }
        let within = usize::try_from(within).unwrap_or_default();
        let size = usize::try_from(self.page).unwrap_or_default();
        place.as_ref().and_then(|(_, bytes)| bytes.get(within..within + size)).ok_or(damaged)
    }
}

fn read_up_to(file: &File, bytes: &mut [u8], from: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
