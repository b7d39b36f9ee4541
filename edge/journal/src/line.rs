use belay_facts::{Mutant, mutated};
use sha2::{Digest as _, Sha256};

/// Longest JSON of one record, in bytes.
pub const MAX_RECORD: usize = 8 * 1024 * 1024;

/// The hash that the first record names as its predecessor's.
pub(crate) const NO_PREVIOUS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is wrong with a line of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("its form is not that of a record")]
    Form,
    #[error("its length is not the one that it declares")]
    Length,
    #[error("its checksum does not match")]
    Checksum,
    #[error("its number does not follow the record before")]
    Sequence,
    #[error("it does not name the hash of the record before")]
    Chain,
    #[error("its JSON is not what this reader expects")]
    Json,
}

/// One line taken apart; borrowed from the file's text.
pub(crate) struct Line<'a> {
    pub seq: u64,
    pub previous: &'a str,
    pub json: &'a str,
}

/// The line of one record, with its newline. `length` counts the bytes between the checksum and the newline.
pub(crate) fn render(seq: u64, previous: &str, json: &str) -> String {
    let rest = format!("{seq} {previous} {json}");
    format!("{:06} {:08x} {rest}\n", rest.len(), crc32c::crc32c(rest.as_bytes()))
}

/// Takes a line (without its newline) apart and checks everything that can be checked without its neighbours.
pub(crate) fn parse(line: &[u8]) -> Result<Line<'_>, Damage> {
    let line = std::str::from_utf8(line).map_err(|_| Damage::Form)?;
    let (length, line) = line.split_once(' ').ok_or(Damage::Form)?;
    let (crc, rest) = line.split_once(' ').ok_or(Damage::Form)?;
    // One spelling only: a changed byte anywhere must be seen.
    let padded = length.len() == 6 || length.len() > 6 && !length.starts_with('0');
    if !padded || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Damage::Form);
    }
    let declared: usize = length.parse().map_err(|_| Damage::Form)?;
    if declared != rest.len() {
        return Err(Damage::Length);
    }
    let digits = crc.len() == 8 && crc.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let sum = u32::from_str_radix(crc, 16).ok().filter(|_| digits);
    if sum != Some(crc32c::crc32c(rest.as_bytes())) && !mutated(Mutant::IgnoreChecksum) {
        return Err(Damage::Checksum);
    }
    let (seq, rest) = rest.split_once(' ').ok_or(Damage::Form)?;
    let (previous, json) = rest.split_once(' ').ok_or(Damage::Form)?;
    Ok(Line { seq: seq.parse().map_err(|_| Damage::Form)?, previous, json })
}

/// The hash by which the next record names this one: over the whole line without its newline.
pub(crate) fn hash(line: &[u8]) -> String {
    let mut text = String::with_capacity(NO_PREVIOUS.len());
    for byte in Sha256::digest(line) {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
    }
    text
}

/// Whether bytes at the end of a file, without a newline, can be the beginning of a record that was never
/// acknowledged. Bytes that are as long as the record that they declare had their newline changed: that is damage.
pub(crate) fn is_torn(tail: &[u8]) -> bool {
    // A file that grew without its data (some file systems, after a power cut) ends in zeros.
    if tail.iter().all(|&byte| byte == 0) {
        return true;
    }
    let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((length, rest)) = tail.split_at_checked(digits) else { return false };
    if rest.is_empty() {
        return digits <= 8;
    }
    let Some(length) = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok()) else {
        return false;
    };
    // `<length> <8 hex> <rest>`; exactly the whole line without its newline was not acknowledged either.
    let whole = length.checked_add(digits + 1 + 8 + 1);
    whole.is_some_and(|whole| tail.len() <= whole) && rest.starts_with(b" ")
}

/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// Whether a sector of the last line was never written: a file that grew has zeros there, and no record does. `at` is where
/// the line begins in its file. After a power cut the sectors of one append are there or not, each for itself, so a line that
/// was never acknowledged can have its end, and its newline, and not what is before.
pub(crate) fn has_unwritten_sector(last: &[u8], at: u64) -> bool {
    let first = usize::try_from(SECTOR - at % SECTOR).unwrap_or(last.len()).min(last.len());
    let (first, rest) = last.split_at(first);
    let sector = usize::try_from(SECTOR).unwrap_or(usize::MAX);
    let zeros = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| byte == 0);
    zeros(first) || rest.chunks(sector).any(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the fuzz target `journal`: the sum overflowed.
    #[test]
    fn a_tail_that_declares_an_absurd_length_is_damage() {
        assert!(!is_torn(format!("{} [", usize::MAX).as_bytes()));
        assert!(is_torn(b"000099 [") && is_torn(b"000099 "));
    }
}
