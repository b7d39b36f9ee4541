//! What a disk may hold after the power went.

use super::disk::Event;

/// A generator of numbers whose seed says everything (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// What becomes of writes that no flush has followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsynced {
    /// All are there: the disk was fast.
    There,
    /// None is.
    Lost,
    /// Some are, whatever their order was.
    Reordered,
    /// And of some only a part of their sectors.
    Torn,
}

impl Unsynced {
    pub const ALL: [Self; 4] = [Self::There, Self::Lost, Self::Reordered, Self::Torn];
}

const SECTOR: usize = 512;

/// The image after a cut before event `point`.
pub fn image(base: &[u8], events: &[Event], point: usize, unsynced: Unsynced, chance: &mut Chance) -> Vec<u8> {
    let mut image = base.to_vec();
    let events = &events[..point];
    let flushed = events.iter().rposition(|event| matches!(event, Event::Flush)).map_or(0, |at| at + 1);
    for (index, event) in events.iter().enumerate() {
        let Event::Write { at, bytes } = event else { continue };
        let fate = if index < flushed { Unsynced::There } else { unsynced };
        match fate {
            Unsynced::There => image[*at..at + bytes.len()].copy_from_slice(bytes),
            Unsynced::Lost => {}
            Unsynced::Reordered if chance.below(2) == 0 => {}
            Unsynced::Reordered => image[*at..at + bytes.len()].copy_from_slice(bytes),
            Unsynced::Torn => match chance.below(3) {
                0 => {}
                1 => image[*at..at + bytes.len()].copy_from_slice(bytes),
                _ => {
                    for (sector, part) in bytes.chunks(SECTOR).enumerate() {
                        if chance.below(2) == 0 {
                            let at = at + sector * SECTOR;
                            image[at..at + part.len()].copy_from_slice(part);
                        }
                    }
                }
            },
        }
    }
    image
}

/// How many acts were acknowledged by then, and how many records the node's journal had.
pub fn acknowledged(events: &[Event], point: usize) -> (usize, u64) {
    let said = events[..point].iter().rev().find_map(|event| match event {
        Event::Acknowledged { acts, records } => Some((*acts, *records)),
        _ => None,
    });
    said.unwrap_or_default()
}
