//! RFC 1951 and 1952, as small as it can be: it is a part of the helper, of which every kilobyte is uploaded to a node, and it is
//! asked for some records of Helm. Whatever it is given, it ends, and gives back no more than it was allowed.

/// The longest code (RFC 1951, 3.2.7).
const LONGEST: usize = 15;

/// What is in a gzip file without a name and the like in its head, as Go writes them; `None` when it is none, or would be more than
/// `most`.
pub(crate) fn gunzip(gzip: &[u8], most: usize) -> Option<Vec<u8>> {
    let rest = gzip.strip_prefix(&[0x1f, 0x8b, 8, 0])?.get(6..)?;
    let whole = inflate(rest, most)?;
    (u32::from_le_bytes(*gzip.last_chunk()?) as usize == whole.len()).then_some(whole)
}

struct Bits<'a> {
    rest: &'a [u8],
    held: u32,
    count: u32,
}

impl Bits<'_> {
    #[inline(never)]
    fn take(&mut self, wanted: u32) -> Option<usize> {
        while self.count < wanted {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            self.held |= u32::from(*byte) << self.count;
            self.count += 8;
        }
        let bits = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        Some(bits as usize)
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut value, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for count in code.counts.get(1..)? {
            let count = usize::from(*count);
            value |= self.take(1)?;
            if value < first + count {
                return code.symbols.get(index + value.checked_sub(first)?).map(|symbol| usize::from(*symbol));
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }
}

/// A Huffman code by the lengths of its symbols.
struct Code {
    counts: [u16; LONGEST + 1],
    symbols: Vec<u16>,
}

impl Code {
    #[inline(never)]
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut code = Self { counts: [0; LONGEST + 1], symbols: Vec::new() };
        for wanted in 1..=LONGEST {
            for (symbol, length) in (0_u16..).zip(lengths) {
                if usize::from(*length) == wanted {
                    *code.counts.get_mut(wanted)? += 1;
                    code.symbols.push(symbol);
                }
            }
        }
        Some(code)
    }
}

fn inflate(data: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { rest: data, held: 0, count: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1)?;
        match bits.take(2)? {
            0 => {
                (bits.held, bits.count) = (0, 0);
                let [low, high, ..] = *bits.rest.first_chunk::<4>()?;
                let length = usize::from(u16::from_le_bytes([low, high]));
                let (stored, rest) = bits.rest.get(4..)?.split_at_checked(length)?;
                if out.len() + length > most {
                    return None;
                }
                out.extend_from_slice(stored);
                bits.rest = rest;
            }
            1 => {
                let mut lengths = [8_u8; 288];
                lengths.get_mut(144..256)?.fill(9);
                lengths.get_mut(256..280)?.fill(7);
                block(&mut bits, &mut out, most, &lengths, &[5; 30])?;
            }
            2 => {
                let (literals, distances) = (bits.take(5)? + 257, bits.take(5)? + 1);
                let lengths = lengths(&mut bits, literals + distances)?;
                let (literals, distances) = lengths.split_at_checked(literals)?;
                block(&mut bits, &mut out, most, literals, distances)?;
            }
            _ => return None,
        }
        if last == 1 {
            return Some(out);
        }
    }
}

/// The lengths of both codes of a block, themselves in a code.
fn lengths(bits: &mut Bits<'_>, wanted: usize) -> Option<Vec<u8>> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let mut of_lengths = [0_u8; 19];
    let given = bits.take(4)? + 4;
    for at in ORDER.iter().take(given) {
        *of_lengths.get_mut(*at)? = bits.take(3)? as u8;
    }
    let code = Code::of(&of_lengths)?;
    let mut lengths = Vec::new();
    while lengths.len() < wanted {
        let (length, times) = match bits.symbol(&code)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    (lengths.len() == wanted).then_some(lengths)
}

fn block(bits: &mut Bits<'_>, out: &mut Vec<u8>, most: usize, literals: &[u8], distances: &[u8]) -> Option<()> {
    let (literals, distances) = (Code::of(literals)?, Code::of(distances)?);
    loop {
        let symbol = bits.symbol(&literals)?;
        if symbol == 256 {
            return Some(());
        }
        let (length, distance) = match symbol {
            ..=255 => (0, 0),
            285 => (258, 1),
            symbol => (stretched(bits, symbol - 257, 2, 3)?, 1),
        };
        if out.len() + length.max(1) > most {
            return None;
        }
        if distance == 0 {
            out.push(symbol as u8);
            continue;
        }
        let symbol = bits.symbol(&distances)?;
        let distance = stretched(bits, symbol, 1, 1)?;
        let from = out.len().checked_sub(distance)?;
        for at in from..from + length {
            out.push(*out.get(at)?);
        }
    }
}

/// Lengths and distances grow by themselves: after the first few, `2^steps` symbols share their number of extra bits.
fn stretched(bits: &mut Bits<'_>, symbol: usize, steps: u32, least: usize) -> Option<usize> {
    let each = 1_usize << steps;
    let more = u32::try_from((symbol >> steps).saturating_sub(1)).ok().filter(|more| *more < 14)?;
    let base = if symbol < each * 2 { symbol } else { (each + (symbol & (each - 1))) << more };
    Some(least + base + bits.take(more)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(whole: &[u8], level: u8) -> Vec<u8> {
        let deflated = miniz_oxide::deflate::compress_to_vec(whole, level);
        let length = (whole.len() as u32).to_le_bytes();
        [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], &deflated[..], &[0; 4], &length].concat()
    }

    /// Bytes of every kind: runs, words, noise.
    fn samples() -> Vec<Vec<u8>> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..70_000).map(|_| next()).collect();
        let words: Vec<u8> =
            noise.iter().flat_map(|byte| format!("apiVersion: v{}\n", byte % 9).into_bytes()).collect();
        let far = [&noise[..32_000], b"apart", &noise[..32_000], &noise[..258]].concat();
        vec![Vec::new(), vec![b'a'], vec![b' '; 100_000], noise, words, far]
    }

    #[test]
    fn what_was_packed_comes_out_as_it_was() {
        for whole in samples() {
            for level in [0, 1, 6, 9] {
                let gzip = packed(&whole, level);
                assert!(gunzip(&gzip, whole.len()).as_deref() == Some(&whole[..]), "{} at {level}", whole.len());
                assert!(whole.is_empty() || gunzip(&gzip, whole.len() - 1).is_none(), "no more than allowed");
            }
        }
    }

    #[test]
    fn what_is_torn_or_bent_ends() {
        let whole = &samples()[4][..3000];
        for level in [0, 6] {
            let gzip = packed(whole, level);
            for at in 0..gzip.len() {
                assert_eq!(gunzip(&gzip[..at], whole.len()), None, "torn at {at}");
                let mut bent = gzip.clone();
                bent[at] ^= 1 << (at % 8);
                assert!(gunzip(&bent, whole.len()).is_none_or(|out| out.len() == whole.len()));
            }
        }
    }
}
